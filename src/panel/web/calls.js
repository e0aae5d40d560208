// The calls among the frames, each with its time line: worked on, queued, waiting for the person,
// reading, answered.

import { clock, el, pretty, span } from './kit.js';
import { List } from './list.js';
import { cells } from './frames.js';
import { word } from './words.js';

const KEPT = 2_000;
const STAGES = ['arrived', 'queued', 'waiting', 'reading'];
const stageWord = (stage) => word(stage === 'waiting' ? 'device' : stage);

export class Calls {
  #all = [];
  #open = new Map();

  constructor(view, frames) {
    this.frames = frames;
    this.empty = el('p', { class: 'empty' });
    this.key = el('div', { class: 'key' });
    this.more = el('pre', { class: 'more', tabIndex: 0, hidden: true });
    this.list = new List(word('calls'), fill, (call) => this.#show(call));
    this.list.element.id = 'calls-list';
    view.append(this.key, this.empty, this.list.element, this.more);
    frames.refilters.push((cleared) => {
      if (cleared) {
        this.#all = [];
        this.#open.clear();
        this.list.forget();
        this.more.hidden = true;
      }
      this.draw();
    });
    this.translate();
  }

  /** One more thing that happened at a client. */
  hear(frame) {
    if (frame.what === 'gone') {
      for (const [key, calls] of this.#open) {
        if (key.startsWith(`${frame.client} `)) {
          for (const call of calls) [call.ended, call.gone] = [frame.at, true];
          this.#open.delete(key);
        }
      }
      this.draw();
      return;
    }
    // A reply names its request by action and task, or by its id. Of a large frame only the former are seen.
    const key = `${frame.client} ${frame.action ? `${frame.action} ${frame.taskId ?? ''}` : frame.id ?? frame.name}`;
    if (frame.what === 'in' && (frame.action || frame.call)) {
      const call = { frame, key, stages: [], ended: null, reply: null };
      this.#all.push(call);
      if (this.#all.length > KEPT) this.#all.splice(0, KEPT / 10);
      this.#open.set(key, [...(this.#open.get(key) ?? []), call]);
    } else if (frame.what === 'stage') {
      const call = this.#all.findLast((call) =>
        call.frame.client === frame.client && call.frame.action === frame.action && call.frame.taskId === frame.taskId && !call.ended);
      if (call && frame.stage !== 'done') call.stages.push({ stage: frame.stage, at: frame.at });
      if (!call) return;
    } else if (frame.what === 'out' && !frame.channel && this.#open.has(key)) {
      const calls = this.#open.get(key);
      const call = calls.shift();
      if (calls.length === 0) this.#open.delete(key);
      [call.ended, call.reply] = [frame.at, frame];
    } else {
      return;
    }
    this.draw();
  }

  /** The connection is another one: what was under way has ended out of sight. */
  begin() {
    for (const calls of this.#open.values()) {
      for (const call of calls) [call.ended, call.gone] = [Date.now() * 1000, true];
    }
    this.#open.clear();
    this.draw();
  }

  /** Once before the next picture, however many frames come. */
  draw() {
    if (this.drawn) return;
    this.drawn = true;
    requestAnimationFrame(() => {
      this.drawn = false;
      this.#drawNow();
    });
  }

  #drawNow() {
    const shown = this.#all.filter(({ frame }) => this.frames.passes(frame));
    this.empty.hidden = shown.length > 0;
    this.list.element.hidden = shown.length === 0;
    this.list.show(shown);
    if (this.list.chosen) this.#show(this.list.chosen);
  }

  translate() {
    this.empty.textContent = word('noCalls');
    this.list.element.setAttribute('aria-label', word('calls'));
    this.key.replaceChildren(...STAGES.map((stage) => el('span', {}, el('i', { class: stage }), stageWord(stage))));
    this.draw();
  }

  #show(call) {
    this.more.hidden = false;
    const steps = parts(call).map(({ stage, length }) => `${stageWord(stage)} ${span(length)}`);
    const end = call.ended ? `${word(call.gone ? 'gone' : 'answered')} ${span(call.ended - call.frame.at)}` : word('pending');
    const reply = call.reply ? `\n← ${pretty(call.reply.text)}` : '';
    this.more.textContent = `${clock(call.frame.at)}  ${[...steps, end].join(' · ')}\n→ ${pretty(call.frame.text)}${reply}`;
  }
}

/** The stretches of a call's time. */
function parts({ frame, stages, ended }) {
  const end = ended ?? Date.now() * 1000;
  const begins = [{ stage: 'arrived', at: frame.at }, ...stages];
  const all = begins.map(({ stage, at }, index) => ({ stage, length: Math.max(0, (begins[index + 1]?.at ?? end) - at) }));
  return stages.length && all[0].length < 1000 ? all.slice(1) : all;
}

function fill(row, call) {
  const { frame, ended, reply } = call;
  const [at, who, name, task, yes, line, took] = cells(row, ['at', 'who', 'name', 'task', 'none', 'line', 'took']);
  at.textContent = clock(frame.at);
  who.textContent = `#${frame.client} ${frame.transport}`;
  name.textContent = frame.name;
  task.textContent = frame.taskId ?? '';
  const success = reply?.success;
  yes.className = success === undefined ? 'none' : success ? 'yes' : 'no';
  yes.textContent = success === undefined ? '' : word(success ? 'yes' : 'no');
  const all = parts(call);
  const steps = all.map(({ stage, length }) => `${stageWord(stage)} ${span(length)}`);
  line.title = steps.join(' · ');
  line.setAttribute('role', 'img');
  line.setAttribute('aria-label', steps.join(', '));
  line.replaceChildren(...all.map(({ stage, length }, index) => {
    const part = el('span', { class: stage }, steps[index]);
    part.style.flex = `${Math.max(1, Math.sqrt(length))} 1 0`;
    return part;
  }));
  took.textContent = ended ? span(ended - frame.at) : word('pending');
}
