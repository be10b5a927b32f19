"""A real browser, and what is asked of every page in it."""

from __future__ import annotations

import importlib.util
import shutil

__all__ = ["CONTRAST", "chromium", "why_no_browser"]

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

CONTRAST = """
() => {
  const parse = text => { const n = text.match(/[\\d.]+/g)?.map(Number) ?? [0, 0, 0, 0]; return [n[0], n[1], n[2], n[3] ?? 1]; };
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const rgba = colour => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1); const d = canvas.getImageData(0, 0, 1, 1).data; return [d[0], d[1], d[2], d[3] / 255]; };
  const over = (top, below) => [0, 1, 2].map(i => top[i] * top[3] + below[i] * (1 - top[3])).concat(1);
  const light = c => { const [r, g, b] = c.slice(0, 3).map(v => { v /= 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; }); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const ground = element => {
    const layers = [];
    for (let at = element; at; at = at.parentElement) layers.push(rgba(getComputedStyle(at).backgroundColor));
    return layers.reverse().reduce((below, top) => over(top, below), [255, 255, 255, 1]);
  };
  const found = [];
  for (const element of document.body.querySelectorAll("*")) {
    const own = [...element.childNodes].some(node => node.nodeType === 3 && node.textContent.trim());
    if (!own || !element.checkVisibility({ opacityProperty: true, visibilityProperty: true, contentVisibilityAuto: true })) continue;
    const box = element.getBoundingClientRect(), style = getComputedStyle(element);
    if (box.width < 2 || box.height < 2 || element.closest("[disabled], :disabled, svg, .skip, .unseen")) continue;
    const back = ground(element), ink = over(rgba(style.color), back);
    const [a, b] = [light(ink), light(back)].sort((x, y) => y - x);
    const large = parseFloat(style.fontSize) >= 24 || (parseFloat(style.fontSize) >= 18.66 && style.fontWeight >= 700);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < (large ? 3 : 4.5)) found.push(`${element.tagName}.${element.className} "${element.textContent.trim().slice(0, 30)}" ${ratio.toFixed(2)}`);
  }
  return found;
}
"""
"""Texts that are seen and whose contrast with what is behind them is below WCAG's AA; those over pictures are not judged."""


def chromium() -> str | None:
    """The system's Chromium; never one that is fetched."""
    return next((found for name in _NAMES if (found := shutil.which(name))), None)


def why_no_browser() -> str | None:
    """Why the tests of pages in a browser are left out; None where they are not."""
    if importlib.util.find_spec("playwright") is None:
        return "no playwright; pip install playwright"
    if chromium() is None:
        return "no Chromium; on Debian: apt-get install chromium"
    return None
