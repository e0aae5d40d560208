// What the tests share: the bridge that runs already (its address is in HHAROME_WS), clients, and a
// connection that can be cut.

import net from 'node:net';
import { WebSocket } from 'ws';
import { connect } from '../hharome.mjs';

export const BRIDGE = process.env.HHAROME_WS;
if (!BRIDGE) throw new Error('HHAROME_WS is not set: cargo test --test bridge javascript starts a bridge and these');

const open = [];

/** A client of the bridge, closed with the test. */
export function client(options = {}) {
  const my = connect({ url: BRIDGE, WebSocket, firstDelay: 20, longestDelay: 100, ...options });
  open.push(my);
  return my;
}

export function closeAll() {
  for (const one of open.splice(0)) one.close();
}

export const hh = (my, action, taskId, params, more = {}) =>
  my.call('ampeHHCommunication', { action, event: 'open', taskId, params, ...more });

/** Works a virtual device. */
export async function simulate(params) {
  const hand = client();
  const reply = await hand.call('bridge.simulate', params);
  hand.close();
  if (!reply.success) throw new Error(JSON.stringify(reply));
}

/** Ends when `look` comes to something. */
export async function soon(what, look) {
  const begun = Date.now();
  for (;;) {
    const found = await look();
    if (found) return found;
    if (Date.now() - begun > 30_000) throw new Error(`not within 30 s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Waits until a client is connected. */
export const connected = (my) => soon('the client is connected', () => my.state === 'open');

/** A way to the bridge that can be cut, closed, and made deaf in one direction. */
export class Way {
  static async open() {
    const way = new Way();
    way.server = net.createServer((socket) => way.#join(socket));
    await way.listen();
    return way;
  }

  pairs = new Set();
  port = 0;
  /** What the bridge says does not get through. */
  deaf = false;
  /** Connections so far. */
  count = 0;

  get url() {
    return `ws://127.0.0.1:${this.port}/ws`;
  }

  listen() {
    return new Promise((resolve) => this.server.listen(this.port, '127.0.0.1', () => {
      this.port = this.server.address().port;
      resolve();
    }));
  }

  #join(socket) {
    this.count++;
    const { hostname, port } = new URL(BRIDGE);
    const far = net.connect(Number(port), hostname);
    const pair = [socket, far];
    this.pairs.add(pair);
    const end = () => {
      this.pairs.delete(pair);
      socket.destroy();
      far.destroy();
    };
    let head = true;
    socket.on('data', (data) => {
      // The bridge knows itself by its own port.
      if (head) data = Buffer.from(data.toString('latin1').replace(/Host: [^\r]*/i, `Host: ${hostname}:${port}`), 'latin1');
      head = false;
      far.write(data);
    });
    far.on('data', (data) => this.deaf || socket.write(data));
    for (const one of pair) {
      one.on('error', end);
      one.on('close', end);
    }
  }

  /** Cuts every connection; the next one is let in. */
  cut() {
    for (const [socket, far] of this.pairs) {
      socket.destroy();
      far.destroy();
    }
  }

  /** Cuts every connection, and lets nobody in until `listen`. */
  close() {
    return new Promise((resolve) => {
      this.server.close(resolve);
      this.cut();
    });
  }
}
