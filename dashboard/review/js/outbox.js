// What waits to be saved. An edit is named by (session, seq), so sending it again is harmless; it is kept in
// localStorage until the server says that it is committed, and so survives a reload and a dead server.
const BATCH = 200;
const KEEPALIVE_BYTES = 60_000; // what a browser still sends while the page is being left
const NEVER = [400]; // answers that stay the same however often an edit is sent

const outboxes = new Map();

function openOutbox(data) {
  const name = `${data.store}:${data.dataset}:${data.fingerprint}`;
  let box = outboxes.get(name);
  if (!box) {
    box = {
      prefix: `tidyset-outbox:${name}:`,
      session: randomName(),
      seq: 0,
      pending: [],
      unkept: [],
      orphans: [],
      saved: 0,
      refused: [],
      fault: null,
      busy: false,
      hard: 0, // so many edits are sent one by one, because one of them is at fault
      attempts: 0,
      watchers: new Set(),
      undoStates: new Map(),
    };
    outboxes.set(name, box);
    box.orphans = readOrphans(box);
  }
  box.data = data;
  pump(box);
  return box;
}

function randomName() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

// What earlier visits could not deliver: the page was reloaded, or the server was away. Each edit has a key
// of its own, so that two tabs never overwrite one another's.
function readOrphans(box) {
  const found = new Map();
  try {
    for (let i = 0; i < localStorage.length; i++) {
      const key = localStorage.key(i);
      if (!key.startsWith(box.prefix)) continue;
      const [session, seq] = key.slice(box.prefix.length).split(":");
      const { who, edit } = JSON.parse(localStorage.getItem(key));
      if (!found.has(session)) found.set(session, { session, who, edits: [] });
      found.get(session).edits.push({ ...edit, seq: Number(seq) });
    }
  } catch {
    // Storage is blocked or garbled: edits then live as long as the page.
  }
  for (const { edits } of found.values()) edits.sort((one, other) => one.seq - other.seq);
  return [...found.values()];
}

function keep(box, edits) {
  try {
    for (const edit of edits) {
      const key = `${box.prefix}${box.session}:${edit.seq}`;
      localStorage.setItem(key, JSON.stringify({ who: box.data.who, edit }));
    }
  } catch {
    // As above.
  }
}

function forget(box, session, seqs) {
  try {
    for (const seq of seqs) localStorage.removeItem(`${box.prefix}${session}:${seq}`);
  } catch {
    // As above.
  }
}

function put(box, edit, before) {
  box.seq += 1;
  box.pending.push({ seq: box.seq, ...edit });
  box.unkept.push(box.pending.at(-1));
  box.undoStates.set(box.seq, { item: edit.item, before });
  return box.seq;
}

// Called once after a group of puts.
function send(box) {
  keep(box, box.unkept.splice(0));
  changed(box);
  pump(box);
}

function waiting(box) {
  return box.pending.length + box.orphans.reduce((sum, orphan) => sum + orphan.edits.length, 0);
}

async function pump(box) {
  if (box.busy) return;
  const orphan = box.orphans[0];
  const source = orphan ?? { session: box.session, who: box.data.who, edits: box.pending };
  if (!source.edits.length) return;
  clearTimeout(box.retry);
  box.busy = true;
  const edits = source.edits.slice(0, box.hard ? 1 : BATCH);
  try {
    const answer = await post(box, source, edits).catch((fault) => singledOut(box, edits, fault));
    const done = new Set([...answer.saved.map(([seq]) => seq), ...answer.refused.map(({ seq }) => seq)]);
    const rest = source.edits.filter(({ seq }) => !done.has(seq));
    if (orphan) orphan.edits = rest;
    else box.pending = rest;
    if (orphan && !rest.length) box.orphans.shift();
    forget(box, source.session, done);
    box.saved += answer.saved.length;
    const itemOf = new Map(edits.map(({ seq, item }) => [seq, item]));
    box.refused.push(...answer.refused.map((one) => ({ ...one, item: itemOf.get(one.seq), isOwn: !orphan })));
    if (!orphan) for (const [seq] of answer.saved) box.undoStates.delete(seq);
    const heard = done.size > 0 || box.hard === edits.length;
    box.fault = heard ? null : { problem: "The server did not answer for these edits.", mend: "Reload the page." };
    box.attempts = 0;
    if (box.hard && done.size) box.hard -= done.size;
  } catch (fault) {
    box.fault = fault;
    box.attempts += 1;
  }
  box.busy = false;
  changed(box);
  if (!box.fault) pump(box);
  else box.retry = setTimeout(() => pump(box), Math.min(8_000, 400 * 2 ** box.attempts));
}

// A batch that can never be accepted must not hold up what comes after it: its edits are sent one by one, and
// the one that is at fault counts as refused.
function singledOut(box, edits, fault) {
  if (!NEVER.includes(fault.status)) throw fault;
  if (edits.length === 1) return { saved: [], refused: [{ seq: edits[0].seq, problem: fault.problem }] };
  box.hard = edits.length;
  return { saved: [], refused: [] };
}

// The server's answer; throws {problem, mend, away} when nothing of it is certain to be saved.
async function post(box, source, edits) {
  const { data } = box;
  const { dataset, fingerprint } = data;
  const body = JSON.stringify({ dataset, fingerprint, session: source.session, who: source.who, edits });
  let response;
  try {
    response = await fetch(new URL(data.post, document.baseURI), {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-Tidyset-Token": data.token },
      body,
      keepalive: body.length < KEEPALIVE_BYTES,
      signal: AbortSignal.timeout(30_000),
    });
  } catch {
    throw { problem: "The server cannot be reached.", mend: "They are sent as soon as it is back.", away: true };
  }
  const answer = await response.json().catch(() => null);
  if (response.ok && answer?.saved && answer?.refused) return answer;
  if (answer?.problem) throw { ...answer, status: response.status };
  throw { problem: `The server answered ${response.status}.`, mend: "They are sent again in a moment.", away: true };
}

function changed(box) {
  for (const watcher of box.watchers) watcher();
}

window.addEventListener("online", () => {
  for (const box of outboxes.values()) pump(box);
});
