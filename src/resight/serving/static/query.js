// What is searched for: files of one individual, and rows of the gallery.

import { picture } from "./api.js";
import { at, icon, make } from "./dom.js";

const MOST = 8;

export class Query {
  /** `changed` is called after each change, `refuse` with a line where one is not taken. */
  constructor(changed, refuse) {
    this.parts = [];
    this.changed = changed;
    this.refuse = refuse;
  }

  get files() {
    return this.parts.filter(part => part.file).map(part => part.file);
  }

  get ids() {
    return this.parts.filter(part => part.id).map(part => part.id);
  }

  /** Where the pictures can be looked at. */
  get pictures() {
    return this.parts.map(part => part.large);
  }

  addFiles(files) {
    const pictures = [...files].filter(file => file.type.startsWith("image/"));
    if (!pictures.length) return this.refuse("That is not a picture.");
    const room = MOST - this.parts.length;
    for (const file of pictures.slice(0, room)) {
      const url = URL.createObjectURL(file);
      this.parts.push({ file, said: file.name || "pasted picture", small: url, large: url });
    }
    this._change();
    // After the search has begun, which takes back what was said before.
    if (pictures.length > room) this.refuse(`Eight pictures at most: ${pictures.length - room} left out.`);
  }

  /** Search for one row of the gallery in the place of what was searched for. */
  become(hit) {
    this._forget(this.parts);
    this.parts = [{ id: hit.id, said: hit.file, small: picture(hit.id, "small"), large: picture(hit.id, "large") }];
    this._change();
  }

  remove(part) {
    this._forget([part]);
    this.parts = this.parts.filter(other => other !== part);
    this._change();
  }

  _forget(parts) {
    for (const part of parts) if (part.file) URL.revokeObjectURL(part.small);
  }

  _change() {
    at("query").replaceChildren(...this.parts.map(part => this._thumb(part)));
    at("combine").hidden = this.parts.length < 2;
    at("drop-say").replaceChildren(
      make("b", { text: this.parts.length ? "Add a picture" : "Choose pictures" }),
      this.parts.length ? " of the same one" : ", drop or paste them",
    );
    this.changed();
  }

  _thumb(part) {
    const remove = () => {
      this.remove(part);
      at("pick").focus();
    };
    return make(
      "li",
      {},
      make("img", { src: part.small, alt: part.said }),
      make("button", { type: "button", "aria-label": `Remove ${part.said}`, onclick: remove }, icon("wrong")),
    );
  }
}

/** Pictures that are dropped or pasted anywhere on the page, or picked. */
export function takePictures(take) {
  const pick = at("pick");
  pick.addEventListener("change", () => {
    if (pick.files.length) take(pick.files);
    pick.value = "";
  });
  const over = is => document.body.classList.toggle("dropping", is);
  addEventListener("dragover", event => {
    if (!event.dataTransfer.types.includes("Files")) return;
    event.preventDefault();
    over(true);
  });
  addEventListener("dragleave", event => event.relatedTarget === null && over(false));
  addEventListener("drop", event => {
    over(false);
    if (!event.dataTransfer.files.length) return;
    event.preventDefault();
    take(event.dataTransfer.files);
  });
  addEventListener("paste", event => {
    if (!event.clipboardData?.files.length) return;
    event.preventDefault();
    take(event.clipboardData.files);
  });
}
