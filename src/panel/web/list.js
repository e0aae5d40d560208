// A list of any length of which only what is in view is in the page.

import { el } from './kit.js';

const ROW = 28;
/** Rows beyond the view, on each side. */
const AHEAD = 8;

/**
 * A list box. `fill(element, item)` writes an item into a row; `choose(item)` hears of the chosen one.
 * It stays at its end while it is there, and where it is otherwise.
 */
export class List {
  #items = [];
  #rows = [];
  #chosen = null;
  #drawn = false;
  #atEnd = true;

  constructor(name, fill, choose) {
    this.tall = el('div', { class: 'tall' });
    this.element = el('div', { class: 'list', role: 'listbox', tabIndex: 0, 'aria-label': name }, this.tall);
    this.fill = fill;
    this.choose = choose;
    this.element.addEventListener('scroll', () => {
      this.#atEnd = this.element.scrollTop + this.element.clientHeight >= this.tall.offsetHeight - ROW;
      this.draw();
    });
    this.element.addEventListener('keydown', (event) => this.#key(event));
    this.element.addEventListener('click', (event) => {
      const row = event.target.closest('.row');
      if (row) this.#select(Number(row.dataset.at));
    });
    new ResizeObserver(() => this.draw()).observe(this.element);
  }

  /** Shows these items, of which `dropped` have gone at the beginning since the last time. */
  show(items, dropped = 0) {
    this.#items = items;
    if (dropped > 0 && !this.#atEnd) this.element.scrollTop -= dropped * ROW;
    this.draw();
  }

  get chosen() {
    return this.#chosen;
  }

  forget() {
    this.#chosen = null;
    this.#atEnd = true;
  }

  /** Once before the next picture, however often it is asked for. */
  draw() {
    if (this.#drawn) return;
    this.#drawn = true;
    requestAnimationFrame(() => {
      this.#drawn = false;
      this.#drawNow();
    });
  }

  #drawNow() {
    const { element, tall } = this;
    tall.style.height = `${this.#items.length * ROW}px`;
    if (this.#atEnd) element.scrollTop = tall.offsetHeight;
    const first = Math.max(0, Math.floor(element.scrollTop / ROW) - AHEAD);
    const count = Math.min(this.#items.length - first, Math.ceil(element.clientHeight / ROW) + 2 * AHEAD);
    while (this.#rows.length < count) {
      const row = el('div', { class: 'row', role: 'option' });
      this.#rows.push(row);
      tall.append(row);
    }
    let active = null;
    for (const [at, row] of this.#rows.entries()) {
      row.hidden = at >= count;
      if (row.hidden) continue;
      const item = this.#items[first + at];
      row.style.transform = `translateY(${(first + at) * ROW}px)`;
      row.dataset.at = first + at;
      row.id = `${element.id || 'list'}-${first + at}`;
      row.setAttribute('aria-setsize', this.#items.length);
      row.setAttribute('aria-posinset', first + at + 1);
      row.setAttribute('aria-selected', item === this.#chosen);
      if (item === this.#chosen) active = row.id;
      this.fill(row, item);
    }
    if (active) element.setAttribute('aria-activedescendant', active);
    else element.removeAttribute('aria-activedescendant');
  }

  #select(at) {
    const item = this.#items[at];
    if (!item) return;
    this.#chosen = item;
    this.#atEnd = at === this.#items.length - 1;
    const { element } = this;
    if (at * ROW < element.scrollTop) element.scrollTop = at * ROW;
    const bottom = (at + 1) * ROW - element.clientHeight;
    if (element.scrollTop < bottom) element.scrollTop = bottom;
    this.choose(item);
    this.draw();
  }

  #key(event) {
    const page = Math.max(1, Math.floor(this.element.clientHeight / ROW) - 1);
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
    const step = steps[event.key];
    if (step === undefined) return;
    event.preventDefault();
    const now = this.#items.indexOf(this.#chosen);
    const last = this.#items.length - 1;
    const from = now < 0 ? last + (step < 0 ? 1 : 0) : now;
    this.#select(Math.max(0, Math.min(last, from + step)));
  }
}
