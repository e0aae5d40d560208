// The keypad in a real browser: typed by touch and by keyboard, and what the program gets.
//
// KEYPAD is a bridge's page, KEYPAD_TOKEN another bridge's with the token TOKEN. tests/bridge/browser.rs starts
// both.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { Chromium } from './chromium.mjs';

const WebSocket = createRequire(new URL('../../clients/js/package.json', import.meta.url))('ws');
const { KEYPAD, KEYPAD_TOKEN, TOKEN, PICTURES } = process.env;
if (!KEYPAD) throw new Error('KEYPAD is not set: cargo test --test bridge browser starts everything');

let chromium;
before(async () => { chromium = await Chromium.start(); });
after(() => chromium.stop());

/** A program on the bridge's socket: frames out, and the next one in. */
class Program {
  #frames = [];
  #waiting = [];

  static async start(keypad, token) {
    const socket = new WebSocket(`${keypad.replace('http', 'ws').replace('/keypad', '')}/ws`);
    const program = new Program();
    socket.on('message', (data) => {
      const frame = JSON.parse(data);
      const next = program.#waiting.shift();
      if (next) next(frame);
      else program.#frames.push(frame);
    });
    await new Promise((resolve, reject) => {
      socket.once('open', resolve);
      socket.once('error', reject);
    });
    program.socket = socket;
    if (token) program.say({ token });
    return program;
  }

  say(frame) {
    this.socket.send(JSON.stringify(frame));
  }

  next() {
    const frame = this.#frames.shift();
    return frame ? Promise.resolve(frame) : new Promise((resolve) => this.#waiting.push(resolve));
  }

  enter(taskId) {
    this.say({ action: 'enterIDNumber', event: 'open', taskId });
  }

  stop() {
    this.socket.close();
  }
}

const idle = () => document.querySelector('#keypad').hidden;
const open = () => !document.querySelector('#keypad').hidden;

/** A keypad that is connected: it says so where it is to say that nothing is wanted. */
async function keypad(options, query = '?idle=text', url = KEYPAD) {
  const page = await chromium.page(url.replace('/keypad', `/keypad${query}`), options);
  await page.until('the keypad is connected', () => ['暂无需要输入的号码', 'No number is wanted'].includes(document.querySelector('#idle').textContent));
  return page;
}

async function touch(page, text) {
  for (const key of text) await page.click(`[data-key="${key}"]`);
}

async function keep(page, name) {
  if (!PICTURES) return;
  mkdirSync(PICTURES, { recursive: true });
  writeFileSync(`${PICTURES}/${name}.png`, await page.picture());
}

test('a number is touched, its check digit verified, and the program has it', async () => {
  const page = await keypad({ width: 800, height: 1280 });
  const program = await Program.start(KEYPAD);
  program.enter('1');
  await page.until('the keypad is shown', open);
  assert.match(await page.ask(() => document.querySelector('#left').textContent), /^剩余 (60|59) 秒$/);
  // X can only be the last.
  assert.equal(await page.ask(() => document.querySelector('[data-key=X]').disabled), true);
  await touch(page, '11010519491231002');
  assert.equal(await page.ask(() => document.querySelector('#enter').disabled), true);
  await touch(page, '1');
  await page.until('it is wrong', () => document.querySelector('#note').textContent === '号码有误,请检查');
  assert.equal(await page.ask(() => document.querySelector('#enter').disabled), true);
  await page.click('#delete');
  await touch(page, 'X');
  assert.equal(await page.ask(() => document.querySelector('#number').textContent), '110105 19491231 002X');
  await keep(page, 'keypad');
  await page.click('#enter');
  const reply = await program.next();
  assert.deepEqual([reply.success, reply.data.idNum], [true, '11010519491231002X']);
  await page.until('the keypad is gone', idle);
  assert.equal(await page.ask(() => document.querySelector('#number').textContent), '');
  assert.deepEqual(page.said, []);
  program.stop();
});

test('the keyboard types, deletes, cancels and confirms', async () => {
  const page = await keypad({ width: 1024, height: 600, language: 'en-US' }, '?lang=en&idle=text');
  const program = await Program.start(KEYPAD);
  program.enter('1');
  await page.until('the keypad is shown', open);
  const type = async (text) => {
    for (const key of text) await page.send('Input.dispatchKeyEvent', { type: 'keyDown', key, text: key });
  };
  await type('12');
  await page.press('Backspace');
  assert.equal(await page.ask(() => document.querySelector('#number').textContent), '1');
  await page.press('Escape');
  assert.equal((await program.next()).message, '取消手输证件号');
  await page.until('the keypad is gone', idle);
  program.enter('2');
  await page.until('the keypad is shown', open);
  assert.equal(await page.ask(() => document.querySelector('#number').textContent), '');
  await type('11010519491231002x');
  await page.press('Enter');
  assert.equal((await program.next()).data.idNum, '11010519491231002X');
  // A call that its program ends takes the keypad away, with what was typed.
  program.enter('3');
  await page.until('the keypad is shown', open);
  await type('110');
  program.say({ action: 'enterIDNumber', event: 'close', taskId: '4' });
  await page.until('the keypad is gone', idle);
  assert.deepEqual([(await program.next()).message, (await program.next()).message], ['取消', '关闭成功']);
  program.stop();
});

test('everything has a name that is read out, in both languages', async () => {
  const page = await keypad({ width: 1280, height: 800 });
  const program = await Program.start(KEYPAD);
  program.enter('1');
  await page.until('the keypad is shown', open);
  const buttons = async () => (await page.accessible()).filter(({ role }) => role === 'button').map(({ name }) => name);
  const keys = ['1', '2', '3', '4', '5', '6', '7', '8', '9', 'X', '0'];
  assert.deepEqual(await buttons(), ['English', ...keys, '删除', '取消', '清空', '确认']);
  await page.click('#language');
  assert.deepEqual(await buttons(), ['中文', ...keys, 'Delete', 'Cancel', 'Clear', 'Confirm']);
  const names = (await page.accessible()).map(({ role, name }) => `${role} ${name}`);
  for (const wanted of ['main Enter your ID number', 'heading Enter your ID number', 'group Keypad']) {
    assert.ok(names.includes(wanted), `${wanted}: ${names.join('\n')}`);
  }
  // Large enough for fingers, and nothing beyond the screen.
  const small = await page.ask(() => [...document.querySelectorAll('main button')].some((button) => {
    const box = button.getBoundingClientRect();
    return box.height < 44 || box.width < 44 || box.bottom > innerHeight || box.right > innerWidth;
  }));
  assert.equal(small, false);
  const type = await page.ask(() => Math.min(...[...document.querySelectorAll('#keys button')].map((key) => parseFloat(getComputedStyle(key).fontSize))));
  assert.ok(type >= 22, `digits of ${type} px`);
  await page.click('#cancel');
  await program.next();
  program.stop();
});

test('a bridge with a token has it from the page’s address, and nothing is seen while nothing is wanted', async () => {
  const page = await chromium.page(`${KEYPAD_TOKEN}#token=${TOKEN}`);
  const program = await Program.start(KEYPAD_TOKEN, TOKEN);
  assert.equal(await page.ask(() => document.body.innerText.trim()), '');
  // Until the page is a keypad there is none, and the call says so.
  let reply;
  let shown = false;
  while (!shown) {
    program.enter('1');
    reply = program.next();
    const refused = reply.then(() => false);
    shown = await Promise.race([refused, page.until('the keypad is shown', open)]);
  }
  await page.click('#cancel');
  assert.equal((await reply).message, '取消手输证件号');
  program.stop();
});
