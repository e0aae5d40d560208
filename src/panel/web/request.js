// A form that sends any action or call with its parameters, made of the description of the protocol, and
// shows what comes of it.

import { brief, clock, el, span } from './kit.js';
import { base64 } from './hands.js';
import { isChinese, word } from './words.js';

/** Replies and events that are kept in view. */
const KEPT = 60;
const ENVELOPE = 'ampeHHCommunication';

/** What is filled in at first, so that a try needs no reading. */
const SAMPLES = {
  printList: [{ text: '测试小票 Test', textSize: 40, bold: true, algin: 'center' }, { text: '合计  ￥12.00\n谢谢惠顾' }],
  text: '您好', beep: 200, commandApdu: '0084000008', commandApdus: ['0084000008'], scope: 'auth_user', type: 1,
};

export class Request {
  #protocol = { actions: [], channels: [], calls: [] };
  #task = 1;
  #fields = [];

  constructor(view, my) {
    this.my = my;
    this.what = el('select', { id: 'what', onchange: () => this.#choose() });
    this.task = el('input', { id: 'task', value: '1', spellcheck: 'false', autocomplete: 'off' });
    this.event = el('select', { id: 'event' }, el('option', {}, 'open'), el('option', {}, 'close'));
    this.params = el('div', { class: 'params' });
    this.wire = el('textarea', { class: 'wire', id: 'wire', rows: '9', spellcheck: 'false', 'aria-label': 'JSON' });
    this.note = el('p', { class: 'quiet' });
    this.wrong = el('span', { class: 'wrong', role: 'alert' });
    this.form = el('form', { class: 'request' });
    this.form.addEventListener('input', (event) => event.target !== this.wire && this.#write());
    this.form.addEventListener('change', (event) => event.target !== this.wire && this.#write());
    this.form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.send();
    });
    this.form.addEventListener('keydown', (event) => {
      if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) this.send();
    });
    this.log = el('div', { class: 'said', role: 'log', tabIndex: 0 });
    this.channels = el('fieldset', { class: 'group' });
    view.append(el('div', { class: 'ask' }, this.form, this.log));
    this.translate();
  }

  /** The description of the protocol, and what this bridge serves of it. */
  describe(protocol, served) {
    const has = (names) => ({ name }) => names.includes(name);
    this.#protocol = {
      actions: protocol.actions.filter(has(served.actions)),
      calls: protocol.calls.filter(has(served.calls)),
      channels: protocol.channels.filter(has(served.channels)).filter(({ name }) => name !== 'bridgeFrames'),
    };
    document.getElementById('actions').replaceChildren(...this.#protocol.actions.map(({ name }) => el('option', { value: name })));
    this.translate();
  }

  translate() {
    const chosen = this.what.value;
    const group = (name, rows) => el('optgroup', { label: word(name) }, ...rows.map((row) => el('option', { value: row.name }, row.name)));
    this.what.replaceChildren(group('actionsGroup', this.#protocol.actions), group('callsGroup', this.#protocol.calls));
    const listening = new Set([...this.channels.querySelectorAll('input:checked')].map((box) => box.value));
    this.what.value = chosen || 'getIDCardInfo';
    const field = (label, input) => el('div', { class: 'field' }, el('label', { for: input.id }, label), input);
    this.log.setAttribute('aria-label', word('replies'));
    this.channels.replaceChildren(el('legend', {}, word('listen')), el('div', { class: 'channels' },
      ...this.#protocol.channels.map(({ name, note }) => {
        const box = el('input', { type: 'checkbox', value: name, checked: listening.has(name), onchange: () => this.#listen(name, box.checked) });
        return el('label', { class: 'check', title: note }, box, name);
      })));
    this.form.replaceChildren(
      field(word('what'), this.what), this.note,
      el('div', { class: 'field own' }, el('label', { for: 'task' }, 'taskId'), this.task),
      el('div', { class: 'field own' }, el('label', { for: 'event' }, word('event')), this.event),
      this.params,
      el('details', { class: 'as-json' }, el('summary', {}, word('wire')), this.wire),
      this.channels,
      el('div', { class: 'buttons sending' }, el('button', { class: 'main', type: 'submit', id: 'send' }, word('send')), this.wrong));
    this.#choose();
  }

  #row() {
    const { actions, calls } = this.#protocol;
    const action = actions.find(({ name }) => name === this.what.value);
    return action ? { ...action, action: true } : calls.find(({ name }) => name === this.what.value);
  }

  #choose() {
    const row = this.#row();
    if (!row) return;
    for (const own of this.form.querySelectorAll('.own')) own.hidden = !row.action;
    // The notes come from the protocol's description, which is in English.
    this.note.textContent = isChinese() ? '' : row.note;
    this.note.hidden = isChinese();
    this.event.value = 'open';
    this.#fields = row.params.map((param) => new Field(param, SAMPLES[param.key]));
    this.params.replaceChildren(...this.#fields.map((field) => field.element));
    this.#write();
  }

  /** The form as what will be sent. */
  #write() {
    const row = this.#row();
    if (!row) return;
    const params = {};
    for (const field of this.#fields) {
      const value = field.value();
      if (value !== undefined) params[field.key] = value;
    }
    const frame = row.action
      ? { action: row.name, event: this.event.value, taskId: this.task.value, ...(row.params.length && { params }) }
      : { call: row.name, params };
    this.wire.value = JSON.stringify(frame, null, 1);
    this.wrong.textContent = '';
  }

  async send() {
    let frame;
    try {
      frame = JSON.parse(this.wire.value);
    } catch (error) {
      this.wrong.textContent = `${word('badJson')}: ${error.message}`;
      this.wire.closest('details').open = true;
      this.wire.focus();
      return;
    }
    const name = frame?.action ?? frame?.call;
    if (name === undefined || name === null) {
      this.wrong.textContent = word('needsName');
      return;
    }
    const begun = performance.now();
    const [call, params] = (frame.action ?? null) === null ? [frame.call, frame.params] : [ENVELOPE, frame];
    // The next one is another task, unless somebody has chosen its name.
    if (frame.action && this.task.value === String(this.#task)) {
      this.task.value = String(++this.#task);
      this.#write();
    }
    const reply = await this.my.call(call, params);
    const took = span((performance.now() - begun) * 1000);
    this.#say(reply.success ? 'yes' : 'no', `${name}${reply.taskId === undefined ? '' : ` · ${reply.taskId}`}`, `${word(reply.success ? 'yes' : 'no')} · ${took}`, reply);
  }

  #listen(channel, on) {
    this.heard ??= new Map();
    if (!this.heard.has(channel)) {
      this.heard.set(channel, ({ data }) => this.#say('event', channel, '', data));
    }
    this.my[on ? 'on' : 'off'](channel, this.heard.get(channel));
  }

  #say(kind, name, more, json) {
    const at = clock(Date.now() * 1000);
    this.log.prepend(el('article', { class: 'said-one' },
      el('p', {}, el('span', { class: 'quiet' }, at), el('span', { class: kind }, name), el('span', { class: kind }, more)),
      el('pre', {}, brief(json))));
    while (this.log.childElementCount > KEPT) this.log.lastElementChild.remove();
  }
}

let fields = 0;

/** One parameter of the form. */
class Field {
  constructor(param, sample) {
    this.param = param;
    this.key = param.key;
    this.id = `field-${fields++}`;
    if (param.kind === 'object' || param.kind === 'list') {
      this.#nest(sample);
      return;
    }
    this.input = this.#input(sample);
    this.input.id = this.id;
    if (param.required) this.input.setAttribute('aria-required', 'true');
    const note = !isChinese() && param.note ? el('small', { id: `${this.id}-note` }, param.note) : null;
    if (note) this.input.setAttribute('aria-describedby', note.id);
    const label = el('label', { for: this.id, class: param.required ? 'must' : null }, param.key ?? '');
    const file = param.kind === 'base64' ? el('input', { type: 'file', 'aria-label': `${param.key}: ${word('file')}`, onchange: async (event) => {
      const [chosen] = event.target.files;
      if (!chosen) return;
      this.input.value = await base64(chosen);
      this.input.dispatchEvent(new Event('input', { bubbles: true }));
    } }) : null;
    this.element = el('div', { class: 'field' }, label, this.input, file, note);
  }

  value() {
    const { kind, required } = this.param;
    if (kind === 'object') {
      const all = {};
      for (const field of this.fields) {
        const value = field.value();
        if (value !== undefined) all[field.key] = value;
      }
      return Object.keys(all).length || required ? all : undefined;
    }
    if (kind === 'list') return this.fields.map((field) => field.value()).filter((value) => value !== undefined);
    const text = this.input.value;
    if (text === '') return required && kind === 'text' ? '' : undefined;
    if (kind === 'flag') return text === 'true';
    if (['whole', 'number', 'code'].includes(kind)) return Number.isNaN(Number(text)) ? text : Number(text);
    if (kind === 'json') {
      try {
        return JSON.parse(text);
      } catch {
        return text;
      }
    }
    return text;
  }

  #input(sample) {
    const { kind, values, required, least, most } = this.param;
    const value = sample === undefined ? '' : String(sample);
    if (kind === 'flag' || kind === 'one' || kind === 'code') {
      const all = kind === 'flag' ? ['true', 'false'] : values;
      const options = all.map((one) => el('option', { value: String(one) }, String(one)));
      const input = el('select', {}, required ? null : el('option', { value: '' }, word('unset')), ...options);
      if (value) input.value = value;
      return input;
    }
    if (kind === 'whole' || kind === 'number') {
      return el('input', { type: 'number', step: kind === 'number' ? 'any' : '1', min: least > -1e9 ? String(least) : null, max: most < 1e9 ? String(most) : null, value });
    }
    if (kind === 'text' && sample === undefined) return el('input', { value, spellcheck: 'false', autocomplete: 'off', placeholder: values?.join(',') ?? null });
    if (kind === 'words') return el('input', { value, spellcheck: 'false', placeholder: values.join(',') });
    return el(kind === 'base64' ? 'input' : 'textarea', { rows: '1', spellcheck: 'false', ...(kind === 'base64' && { value }) }, kind === 'base64' ? null : value);
  }

  /** An object's fields, or a list's entries with a button for one more. */
  #nest(sample) {
    const { kind, key = '', required, fields: inner, of } = this.param;
    this.element = el('fieldset', { class: 'group' }, el('legend', { class: required ? 'must' : null }, key));
    if (kind === 'object') {
      this.fields = inner.map((param) => new Field(param, sample?.[param.key]));
      this.element.append(...this.fields.map((field) => field.element));
      return;
    }
    this.fields = [];
    const changed = () => this.element.dispatchEvent(new Event('input', { bubbles: true }));
    const add = (entry) => {
      const field = new Field({ ...of, key: of.kind === 'object' ? `${this.fields.length + 1}` : key, required: true }, entry);
      this.fields.push(field);
      const remove = el('button', { type: 'button', onclick: () => {
        this.fields.splice(this.fields.indexOf(field), 1);
        field.element.remove();
        remove.remove();
        more.focus();
        changed();
      } }, word('removeEntry'));
      more.before(field.element, remove);
    };
    const more = el('button', { type: 'button', onclick: () => {
      add();
      changed();
    } }, word('addEntry'));
    this.element.append(more);
    for (const entry of sample ?? [undefined]) add(entry);
  }
}
