// The client against a real bridge, with connections that break at the worst moments.

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
import vm from 'node:vm';
import { afterEach, test } from 'node:test';
import hharome from '../hharome.mjs';
import { Way, client, closeAll, connected, hh, simulate, soon } from './kit.mjs';

const ways = [];
async function way() {
  const one = await Way.open();
  ways.push(one);
  return one;
}

afterEach(async () => {
  closeAll();
  for (const one of ways.splice(0)) await one.close().catch(() => {});
});

test('a call is answered to its callback and to its promise, the same', async () => {
  const my = client();
  let told;
  const reply = await my.call('ampeHHCommunication', { action: 'getDeviceInfo', event: 'open', taskId: '12' }, (reply) => { told = reply; });
  assert.equal(reply.success, true);
  assert.deepEqual([reply.action, reply.event, reply.taskId], ['getDeviceInfo', 'open', '12']);
  assert.equal(told, reply);
  const status = await my.call('bridge.status');
  assert.ok(Array.isArray(status.data.devices));
  const wrong = await hh(my, 'speech', '1', { text: '' });
  assert.deepEqual([wrong.success, wrong.data.error.kind], [false, 'bad_request']);
  const none = await my.call('no.such.call');
  assert.equal(none.data.error.kind, 'unsupported');
});

test('calls with the same taskId get their own replies', async () => {
  const my = client();
  const replies = await Promise.all(['getDeviceInfo', 'getMicrophoneState', 'getDeviceInfo'].map((action) => hh(my, action, '1')));
  assert.deepEqual(replies.map(({ action }) => action), ['getDeviceInfo', 'getMicrophoneState', 'getDeviceInfo']);
});

test('what page code takes apart works, and its mistakes end nothing', async () => {
  const my = client();
  const { call, getSystemInfo } = my;
  const errors = [];
  // Browsers have it; the client tells there what a callback has thrown.
  globalThis.reportError = (error) => errors.push(error.message);
  await call('bridge.status', {}, () => { throw new Error('a mistake in a callback'); });
  const info = await getSystemInfo();
  delete globalThis.reportError;
  assert.deepEqual(errors, ['a mistake in a callback']);
  assert.ok(info.arome_deviceId && typeof info.arome_deviceId === 'string');
  for (const key of ['platform', 'version', 'screenWidth', 'screenHeight', 'windowWidth', 'windowHeight', 'pixelRatio', 'language']) {
    assert.ok(key in info, key);
  }
});

test('a listener hears every event until it is taken away', async () => {
  const my = client();
  const [codes, others] = [[], []];
  const hear = ({ data }) => codes.push(data.qrCode);
  const other = ({ data }) => others.push(data.qrCode);
  my.on('initQRListener', hear);
  my.on('initQRListener', hear);
  my.on('initQRListener', other);
  await my.call('bridge.status');
  await simulate({ device: 'qr_scanner', do: 'scan', text: 'first' });
  await soon('the code is heard', () => codes.length && others.length);
  my.off('initQRListener', hear);
  await simulate({ device: 'qr_scanner', do: 'scan', text: 'second' });
  await soon('the other hears it', () => others.length === 2);
  my.off('initQRListener');
  await my.call('bridge.status');
  await simulate({ device: 'qr_scanner', do: 'scan', text: 'third' });
  await my.call('bridge.status');
  assert.deepEqual([codes, others], [['first'], ['first', 'second']]);
});

test('a read that waits for a person goes on over a lost connection', async () => {
  const it = await way();
  const my = client({ url: it.url });
  const card = hh(my, 'getIDCardInfo', '3', { infoType: 'base' });
  await connected(my);
  await my.call('bridge.status');
  it.cut();
  await soon('it is connected again', () => it.count === 2 && my.state === 'open');
  await my.call('bridge.status');
  await simulate({ device: 'id_card', do: 'put', card: 'li-si' });
  const reply = await card;
  await simulate({ device: 'id_card', do: 'lift' });
  assert.deepEqual([reply.success, reply.data.name], [true, '李四']);
});

test('a print whose reply is lost is answered so, and never sent twice', async () => {
  const it = await way();
  const my = client({ url: it.url });
  const jobs = async () => (await my.call('bridge.jobs')).data.jobs.length;
  const before = await jobs();
  it.deaf = true;
  const print = hh(my, 'receiptPrinting', '8', { printList: [{ text: '一次' }] });
  const other = client();
  await soon('the bridge has it', async () => (await other.call('bridge.jobs')).data.jobs.length > before);
  it.cut();
  const reply = await print;
  assert.deepEqual([reply.success, reply.action, reply.taskId, reply.data.error.kind], [false, 'receiptPrinting', '8', 'disconnected']);
  assert.match(reply.data.error.detail, /may have been carried out/);
  it.deaf = false;
  await connected(my);
  assert.equal(await jobs(), before + 1);
});

test('listeners and what was started are opened again', async () => {
  const it = await way();
  const my = client({ url: it.url });
  const heard = { sound: 0, codes: [] };
  my.on('initMicrophoneListener', () => heard.sound++);
  my.on('initQRListener', ({ data }) => heard.codes.push(data.qrCode));
  assert.equal((await hh(my, 'startMicrophoneListener', '1')).success, true);
  await soon('there is sound', () => heard.sound > 2);
  it.cut();
  await soon('it is connected again', () => it.count === 2 && my.state === 'open');
  heard.sound = 0;
  await soon('there is sound again', () => heard.sound > 2);
  await simulate({ device: 'qr_scanner', do: 'scan', text: 'again' });
  await soon('the code is heard', () => heard.codes.length === 1);
  // What was stopped stays so.
  assert.equal((await hh(my, 'stopMicrophoneListener', '1')).success, true);
  it.cut();
  await soon('it is connected a third time', () => it.count === 3 && my.state === 'open');
  const state = await hh(my, 'getMicrophoneState', '1');
  assert.equal(state.data.microphoneListenerState, 0);
});

test('what was asked to be stopped is not started again, even where nobody heard of it', async () => {
  for (const stop of [
    (my) => hh(my, 'stopMicrophoneListener', '1'),
    (my) => hh(my, 'startMicrophoneListener', '1', undefined, { event: 'close' }),
  ]) {
    const it = await way();
    const my = client({ url: it.url });
    my.on('initMicrophoneListener', () => {});
    assert.equal((await hh(my, 'startMicrophoneListener', '1')).success, true);
    it.deaf = true;
    const stopped = stop(my);
    it.cut();
    it.deaf = false;
    assert.equal((await stopped).data.error.kind, 'disconnected');
    await soon('it is connected again', () => it.count === 2 && my.state === 'open');
    assert.equal((await hh(my, 'getMicrophoneState', '1')).data.microphoneListenerState, 0);
  }
});

test('a start that is answered after its end was asked for is not remembered', async () => {
  const sent = [];
  const sockets = [];
  const my = client({ WebSocket: class {
    constructor() {
      sockets.push(this);
      queueMicrotask(() => this.onopen());
    }
    send(text) { sent.push(JSON.parse(text)); }
    close() {}
  } });
  for (const end of [() => hh(my, 'stopMicrophoneListener', '1'), () => my.off('initMicrophoneListener')]) {
    const count = sockets.length;
    my.on('initMicrophoneListener', () => {});
    const start = hh(my, 'startMicrophoneListener', '1');
    await soon('it is sent', () => sent.some(({ params }) => params?.action === 'startMicrophoneListener'));
    const { call, id } = sent.find(({ params }) => params?.action === 'startMicrophoneListener');
    end();
    const socket = sockets.at(-1);
    socket.onmessage({ data: JSON.stringify({ call, id, res: { success: true, message: '', data: {} } }) });
    assert.equal((await start).success, true);
    sent.length = 0;
    socket.onclose({ code: 1006 });
    await soon('it is connected again', () => sockets.length > count && my.state === 'open');
    assert.deepEqual(sent.filter(({ call }) => call), []);
  }
});

test('what the bridge takes for no call is answered all the same', async () => {
  const my = client();
  for (const [name, params] of [[5, {}], [undefined, {}]]) {
    const reply = await my.call(name, params);
    assert.deepEqual([reply.success, reply.data.error.kind], [false, 'bad_request'], JSON.stringify([name, params]));
  }
  const reply = await hh(my, 5, '7');
  assert.deepEqual([reply.success, reply.taskId], [false, '7']);
});

test('what is forbidden to a client at first is no refused token', async () => {
  const my = client({ WebSocket: class {
    constructor() { queueMicrotask(() => this.onopen()); }
    send(text) {
      const { call, id } = JSON.parse(text);
      if (call !== 'bridge.look') return;
      const res = { success: false, message: '', data: { error: { kind: 'forbidden', detail: '' } } };
      this.onmessage({ data: JSON.stringify({ call, id, res }) });
      this.onclose({ code: 1000 });
    }
    close() {}
  } });
  assert.equal((await my.call('bridge.look', { device: 'printer' })).data.error.kind, 'forbidden');
  assert.equal(my.state, 'waiting');
});

test('a read that waited and cannot be asked again is not said to be unsent', async () => {
  const it = await way();
  const my = client({ url: it.url, patience: 50 });
  const card = hh(my, 'getIDCardInfo', '3');
  await my.call('bridge.status');
  await it.close();
  const reply = await card;
  assert.equal(reply.data.error.kind, 'disconnected');
  assert.match(reply.data.error.detail, /broke while it waited/);
});

test('a call while there is no bridge waits for it, for its time', async () => {
  const it = await way();
  await it.close();
  const my = client({ url: it.url, patience: 20_000 });
  const states = [];
  const late = client({ url: it.url, patience: 50, onstate: (state) => states.push(state) });
  const lost = await hh(late, 'receiptPrinting', '1', { printList: [{ text: '不打印' }] });
  assert.equal(lost.data.error.kind, 'disconnected');
  assert.match(lost.data.error.detail, /it was not sent/);
  assert.ok(states.includes('waiting'), states.join());
  const patient = my.call('bridge.describe');
  await soon('it has tried', () => my.state === 'waiting');
  await it.listen();
  assert.equal((await patient).success, true);
});

test('closing ends what is under way, and what comes after', async () => {
  const my = client();
  await my.call('bridge.status');
  const waiting = hh(my, 'getQRCode', '5');
  my.close();
  assert.equal((await waiting).data.error.kind, 'disconnected');
  assert.equal((await my.call('bridge.status')).data.error.kind, 'disconnected');
  assert.equal(my.state, 'closed');
});

test('an address that is none, or no WebSocket, is a refusal and no exception', async () => {
  for (const options of [{ url: 'no address' }, { WebSocket: class { constructor() { throw new Error('none here'); } } }]) {
    let told = 0;
    const reply = await client({ ...options, patience: 20 }).call('bridge.status', {}, () => told++);
    assert.equal(reply.data.error.kind, 'disconnected');
    // Longer than it would have waited for a connection.
    await new Promise((resolve) => setTimeout(resolve, 60));
    assert.equal(told, 1);
  }
});

test('a wrong token is told, and a right one lets in', async () => {
  const url = process.env.HHAROME_WS_TOKEN;
  const token = process.env.HHAROME_TOKEN_TEXT;
  const states = [];
  const my = client({ url, token: 'wrong-wrong-wrong', onstate: (state) => states.push(state) });
  const reply = await my.call('bridge.status');
  assert.equal(reply.success, false);
  await soon('it is refused', () => my.state === 'refused');
  assert.equal((await my.call('bridge.status')).data.error.kind, 'disconnected');
  my.setToken(token);
  assert.equal((await my.call('bridge.status')).success, true);
  assert.equal(states.at(-1), 'open');
  const none = client({ url });
  assert.equal((await none.call('bridge.status')).success, false);
  await soon('none is refused, too', () => none.state === 'refused');
});

test('the same file is a CommonJS module and a plain script that defines my', () => {
  assert.equal(createRequire(import.meta.url)('../hharome.js').connect.length, hharome.connect.length);
  const file = readFileSync(new URL('../hharome.js', import.meta.url), 'utf8');
  const page = (own) => {
    const context = vm.createContext({ document: { currentScript: { dataset: { url: 'ws://127.0.0.1:1/ws' } } }, ...own });
    vm.runInContext(file, context);
    return context;
  };
  const context = page({});
  assert.equal(context.my.state, 'idle');
  for (const name of ['call', 'on', 'off', 'getSystemInfo']) assert.equal(typeof context.my[name], 'function');
  const theirs = { call() {} };
  assert.equal(page({ my: theirs }).my, theirs);
});

test('the tables of the client are those of the protocol', () => {
  const protocol = JSON.parse(readFileSync(new URL('../protocol.json', import.meta.url)));
  const { waits, starts } = hharome.tables;
  const natures = (nature) => protocol.actions.filter((action) => action.nature === nature).map(({ name }) => name);
  assert.deepEqual(waits.toSorted?.() ?? [...waits].sort(), natures('waits').sort());
  const opened = protocol.channels.filter(({ startedBy }) => startedBy);
  for (const { name, startedBy } of opened) assert.equal(starts[startedBy]?.channel, name, startedBy);
  // This one opens its channel for its connection, where `on` alone does as well.
  const known = [...opened.map(({ startedBy }) => startedBy), 'socialSecurityCardConfig'];
  assert.deepEqual(Object.keys(starts).sort(), known.sort());
  for (const { stop } of Object.values(starts)) assert.ok(!stop || protocol.actions.some(({ name }) => name === stop), stop);
});
