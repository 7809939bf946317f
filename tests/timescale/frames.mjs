// PostgreSQL's wire protocol, as far as the server has to look into it: frames in, frames out. Pure.
// Source: PostgreSQL manual, "Message Formats".

export const CODES = { ssl: 80877103, gss: 80877104, cancel: 80877102 };

export function frame(type, body = Buffer.alloc(0)) {
  const head = Buffer.alloc(5);
  head.write(type, 0);
  head.writeInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
}

export function text(buffer, offset) {
  const end = buffer.indexOf(0, offset);
  return [buffer.subarray(offset, end).toString('latin1'), end + 1];
}

export const typeOf = (bytes) => String.fromCharCode(bytes[0]);

export const ready = (state) => frame('Z', Buffer.from(state));

export function parameter([name, value]) {
  return frame('S', Buffer.from(`${name}\0${value}\0`));
}

export function greeting(parameters, processId, clientId) {
  const key = Buffer.alloc(8);
  key.writeInt32BE(processId, 0);
  key.writeInt32BE(clientId, 4);
  const authenticated = frame('R', Buffer.from([0, 0, 0, 0]));
  return Buffer.concat([authenticated, ...parameters.map(parameter), frame('K', key), ready('I')]);
}

export function error({ code = 'XX000', message, severity = 'ERROR', ...more }) {
  const fields = [
    ['S', severity], ['V', severity], ['C', code], ['M', message], ['D', more.detail], ['H', more.hint],
    ['W', more.where], ['s', more.schema], ['t', more.table], ['c', more.column], ['n', more.constraint],
  ].filter(([, value]) => value);
  return frame('E', Buffer.concat([...fields.map(([key, value]) => Buffer.from(`${key}${value}\0`)), Buffer.from([0])]));
}

// All clients share one backend, so each one's prepared statements and portals get a name of their own.
export function withOwnNames(bytes, clientId) {
  const own = (name) => Buffer.from(`c${clientId}_${name}\0`, 'latin1');
  const type = typeOf(bytes);
  if (type === 'P') {
    const [name, rest] = text(bytes, 5);
    return name ? frame(type, Buffer.concat([own(name), bytes.subarray(rest)])) : bytes;
  }
  if (type === 'B') {
    const [portal, afterPortal] = text(bytes, 5);
    const [statement, rest] = text(bytes, afterPortal);
    const names = [Buffer.from(`${portal}\0`, 'latin1'), own(statement), bytes.subarray(rest)];
    return statement ? frame(type, Buffer.concat(names)) : bytes;
  }
  if ((type === 'D' || type === 'C') && typeOf(bytes.subarray(5)) === 'S') {
    const [name] = text(bytes, 6);
    return name ? frame(type, Buffer.concat([bytes.subarray(5, 6), own(name)])) : bytes;
  }
  return bytes;
}

export function* framesOf(buffer) {
  for (let at = 0; at + 5 <= buffer.length; ) {
    const end = at + 1 + buffer.readInt32BE(at + 1);
    yield buffer.subarray(at, end);
    at = end;
  }
}

// The transaction's state in the last ReadyForQuery: 'I' idle, 'T' in a transaction, 'E' in a failed one.
export function stateAfter(answer) {
  let state = null;
  for (const bytes of framesOf(answer)) if (typeOf(bytes) === 'Z') state = String.fromCharCode(bytes[5]);
  return state;
}

// Notifications apart from the rest: they go to whoever listens, not to whoever asked.
export function withoutNotices(answer) {
  const kept = [], notices = [];
  for (const bytes of framesOf(answer)) (typeOf(bytes) === 'A' ? notices : kept).push(bytes);
  return [kept, notices];
}

const COPY = /^\s*COPY\b[\s\S]*\b(FROM\s+STDIN|TO\s+STDOUT)\b/i;

// The text of a COPY over the wire; null for anything else.
export function copyStatement(bytes) {
  const type = typeOf(bytes);
  if (type !== 'Q' && type !== 'P') return null;
  const [statement] = text(bytes, type === 'Q' ? 5 : text(bytes, 5)[1]);
  return COPY.test(statement) ? Buffer.from(statement, 'latin1').toString('utf8') : null;
}
