// Printed receipts as pictures of paper, and the second screen's picture.

import { clock, el } from './kit.js';
import { word } from './words.js';

/** Receipts that are kept in view. */
const KEPT = 12;

export class Pictures {
  #receipts = new Map();
  #screen = null;

  /** `look(device)` gives the reply of `bridge.look`; `news()` hears of a new receipt. */
  constructor(view, look, news) {
    [this.look, this.news] = [look, news];
    this.view = el('div', { class: 'sights' });
    this.empty = el('p', { class: 'empty' });
    this.button = el('button', { type: 'button', onclick: () => this.refresh() });
    view.append(el('div', { class: 'bar' }, this.button), this.empty, this.view);
    this.translate();
  }

  /** Looks at both again. */
  async refresh() {
    await Promise.all([this.receipts(), this.screen()]);
  }

  /** Another run of the bridge counts its receipts anew: what was seen before is forgotten. */
  begin() {
    this.#receipts.clear();
    this.#screen = null;
    this.#draw();
  }

  async receipts() {
    const reply = await this.look('printer');
    if (!reply.success) return;
    let changed = false;
    for (const picture of reply.data.pictures) {
      const known = this.#receipts.get(picture.number);
      if (known && known.finished && known.height === picture.height) continue;
      this.#receipts.set(picture.number, { ...picture, at: Date.now() * 1000 });
      changed = true;
    }
    while (this.#receipts.size > KEPT) this.#receipts.delete(this.#receipts.keys().next().value);
    if (changed) {
      this.#draw();
      this.news();
    }
  }

  async screen() {
    const reply = await this.look('second_screen');
    const picture = reply.success ? reply.data.pictures[0] ?? null : null;
    if (picture?.pngBase64 === this.#screen?.pngBase64) return;
    this.#screen = picture;
    this.#draw();
    if (picture) this.news();
  }

  translate() {
    this.empty.textContent = word('noPictures');
    this.button.textContent = word('refresh');
    this.#draw();
  }

  #draw() {
    const figures = [];
    if (this.#screen) {
      const { width, height } = this.#screen;
      const caption = `${word('second_screen')} · ${width}×${height}`;
      figures.push(figure(this.#screen, caption, 'screen'));
    }
    for (const receipt of [...this.#receipts.values()].reverse()) {
      const state = receipt.finished ? clock(receipt.at).slice(0, 8) : word('printing');
      figures.push(figure(receipt, `${word('receipt')} ${receipt.number} · ${state} · ${receipt.width}×${receipt.height}`, 'paper'));
    }
    this.empty.hidden = figures.length > 0;
    this.view.replaceChildren(...figures);
  }
}

function figure({ pngBase64, width, height }, caption, kind) {
  const image = el('img', { src: `data:image/png;base64,${pngBase64}`, alt: caption, width, height });
  return el('figure', {}, el('figcaption', {}, caption), el('div', { class: 'shade' }, el('div', { class: kind }, image)));
}
