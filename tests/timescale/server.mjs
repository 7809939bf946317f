// PostgreSQL with TimescaleDB Community for tests, as WebAssembly in Node, on a TCP port of the loopback interface.
//
// What it is not: all clients share one backend, so a second open transaction waits and then gets 55P03, SETs are
// shared, advisory locks and timeouts do nothing, there are no background workers, and everyone is superuser.
// It ends when its standard input does. EXTENSION=available leaves the extension for others to create.

import net from 'node:net';
import { Backend, busy } from './backend.mjs';
import * as wire from './frames.mjs';

const LOCK_WAIT_MS = Number(process.env.LOCK_WAIT_MS || 15000);
const FLUSHING = 'QSHFcf';

const backend = await Backend.start({
  withExtension: process.env.EXTENSION !== 'available',
  lockWaitMs: LOCK_WAIT_MS,
});
const parameters = await backend.parameters();
const clients = new Set();
const listeners = new Set();
let lastId = 0;

class Client {
  #socket;
  #id = ++lastId;
  #received = Buffer.alloc(0);
  #pending = [];
  #pendingBytes = 0;
  #neededBytes = 1;
  #isStarted = false;
  #state = 'I';
  #batch = [];
  #copy = null;
  #work = Promise.resolve();

  constructor(socket) {
    this.#socket = socket;
    clients.add(this);
    socket.setNoDelay(true);
    socket.on('data', (bytes) => this.#receive(bytes));
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.#after(() => this.#leave()));
  }

  write(bytes) {
    if (!this.#socket.destroyed) this.#socket.write(bytes);
  }

  #after(step) {
    this.#work = this.#work.then(step);
  }

  #receive(bytes) {
    this.#pending.push(bytes);
    this.#pendingBytes += bytes.length;
    if (this.#pendingBytes < this.#neededBytes) return;
    this.#received = Buffer.concat([this.#received, ...this.#pending]);
    this.#pending = [];
    this.#pendingBytes = 0;
    this.#neededBytes = 1;
    while (this.#isStarted ? this.#takeFrame() : this.#takeStart());
  }

  #takeStart() {
    if (this.#received.length < 8) return false;
    const length = this.#received.readInt32BE(0);
    if (this.#received.length < length) return false;
    const code = this.#received.readInt32BE(4);
    this.#received = this.#received.subarray(length);
    if (code === wire.CODES.ssl || code === wire.CODES.gss) {
      this.write('N');
    } else if (code === wire.CODES.cancel) {
      this.#socket.end();
      return false;
    } else {
      this.#isStarted = true;
      this.write(wire.greeting(parameters, process.pid, this.#id));
    }
    return true;
  }

  #takeFrame() {
    if (this.#received.length < 5) return false;
    const length = this.#received.readInt32BE(1) + 1;
    if (this.#received.length < length) {
      this.#neededBytes = length - this.#received.length;
      return false;
    }
    const bytes = this.#received.subarray(0, length);
    this.#received = this.#received.subarray(length);
    if (wire.typeOf(bytes) === 'X') {
      this.#socket.end();
      return false;
    }
    this.#handle(bytes);
    return true;
  }

  #handle(bytes) {
    const type = wire.typeOf(bytes);
    if (this.#copy) {
      this.#collect(type, bytes);
      return;
    }
    const copy = wire.copyStatement(bytes);
    if (copy !== null) {
      this.#startCopy(copy, type);
      return;
    }
    this.#batch.push(wire.withOwnNames(bytes, this.#id));
    if (FLUSHING.includes(type)) {
      const batch = this.#batch;
      this.#batch = [];
      this.#after(() => this.#run(batch));
    }
  }

  #startCopy(statement, type) {
    if (type === 'P') {
      this.#batch = [];
      this.write(wire.error({ code: '0A000', message: 'here COPY takes the simple query protocol' }));
    } else if (/\bTO\s+STDOUT\b/i.test(statement)) {
      this.#after(() => this.#copyThrough(() => backend.copyOut(statement)));
    } else {
      this.#copy = { statement, chunks: [] };
      const format = /\bbinary\b/i.test(statement) ? 1 : 0;
      this.#after(() => this.write(wire.frame('G', Buffer.from([format, 0, 0]))));
    }
  }

  #collect(type, bytes) {
    if (type === 'd') this.#copy.chunks.push(Buffer.from(bytes.subarray(5)));
    if (type !== 'c' && type !== 'f') return;
    const { statement, chunks } = this.#copy;
    this.#copy = null;
    this.#after(() =>
      this.#copyThrough(async () => {
        if (type === 'c') return backend.copyIn(statement, chunks);
        throw Object.assign(new Error(`COPY from stdin failed: ${wire.text(bytes, 5)[0]}`), { code: '57014' });
      }),
    );
  }

  async #copyThrough(copy) {
    if (!(await backend.acquire(this))) {
      this.write(Buffer.concat([busy(), wire.ready('I')]));
      return;
    }
    let answer;
    try {
      if (this.#state === 'E') {
        throw Object.assign(new Error('current transaction is aborted'), { code: '25P02' });
      }
      answer = await copy();
    } catch (problem) {
      answer = [wire.error({ ...problem, message: problem.message })];
      if (this.#state === 'T') this.#state = 'E';
    }
    this.write(Buffer.concat([...answer, wire.ready(this.#state)]));
    if (this.#state === 'I') backend.release(this);
  }

  async #run(batch) {
    if (this.#socket.destroyed && !backend.owns(this)) return;
    if (!(await backend.acquire(this))) {
      this.write(Buffer.concat([busy(), wire.ready('I')]));
      return;
    }
    const answers = [];
    for (const bytes of batch) answers.push(await backend.answer(bytes));
    const answer = Buffer.concat(answers);
    const state = wire.stateAfter(answer);
    if (batch.some((bytes) => /\bLISTEN\s/i.test(bytes.subarray(5, 200).toString('latin1')))) listeners.add(this);
    const [kept, notices] = wire.withoutNotices(answer);
    if (notices.length) for (const listener of listeners) listener.write(Buffer.concat(notices));
    this.write(Buffer.concat(kept));
    if (state === null) return;
    this.#state = state;
    if (state === 'I') {
      if (batch.some((bytes) => bytes.length < 4096 && /\b(RESET|DISCARD)\s+ALL\b/i.test(bytes.toString('latin1')))) {
        await backend.resetSearchPath();
      }
      backend.release(this);
    }
  }

  async #leave() {
    clients.delete(this);
    listeners.delete(this);
    if (backend.owns(this)) {
      await backend.rollback();
      backend.release(this);
    }
    if (clients.size === 0 && (await backend.acquire(this))) {
      await backend.reset();
      backend.release(this);
    }
  }
}

const server = net.createServer((socket) => new Client(socket));
server.listen(Number(process.env.PORT || 0), '127.0.0.1', () => console.log(JSON.stringify({ port: server.address().port })));
process.stdin.on('end', () => process.exit(0)).resume();
