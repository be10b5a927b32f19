// Loaded before the page is drawn, so that it does not flash in the other theme.
"use strict";
(() => {
  const themes = ["auto", "light", "dark"];
  const kept = () => {
    try {
      return localStorage.getItem("resight-theme");
    } catch {
      return null; // a browser may refuse storage
    }
  };
  const use = theme => {
    document.documentElement.dataset.theme = theme;
    try {
      localStorage.setItem("resight-theme", theme);
    } catch {
      // then it holds until the page is left
    }
  };
  document.documentElement.dataset.theme = themes.includes(kept()) ? kept() : "auto";
  addEventListener("DOMContentLoaded", () => {
    const button = document.getElementById("theme");
    const say = () => {
      const theme = document.documentElement.dataset.theme;
      document.getElementById("theme-name").textContent = { auto: "Auto", light: "Light", dark: "Dark" }[theme];
      button.setAttribute("aria-label", `Theme: ${theme}`);
    };
    button.addEventListener("click", () => {
      use(themes[(themes.indexOf(document.documentElement.dataset.theme) + 1) % themes.length]);
      say();
    });
    say();
  });
})();
