import { messageOf } from "../errors.ts";
import type { FailureFrame, FieldsFrame, InspectionFrame, SourceExcerpt } from "../inspection.ts";
import type { Json } from "../json.ts";
import type { PagePanel } from "../page.ts";
import type { Answer, Delivery, ServerFrame } from "../protocol.ts";
import { byteLength } from "../wire.ts";

/** One line of the panel. */
export interface Entry {
  readonly id: number;
  /** When it happened by the browser's clock, in milliseconds since 1970. */
  readonly at: number;
  /** `state`: published state has come. `fields`: stored fields have changed. `error`: something failed that was no
   * message. `note`: the connection and the like. */
  readonly kind: "out" | "in" | "state" | "fields" | "error" | "note";
  readonly text: string;
  /** Of the message's JSON. */
  readonly bytes?: number;
  /** JSON text that is shown whole when the line is opened. */
  readonly json?: string;
  /** The group's seq. */
  seq?: number;
  /** Of a sent message: its number, and what became of it. */
  readonly n?: number;
  outcome?: "waiting" | "again" | "done" | "refused";
  /** From the send to the answer, in milliseconds. */
  latency?: number;
  /** JSON text of what the sender's promise got. */
  reply?: string;
  error?: { code?: string; message: string; where?: string; stack?: string; source?: SourceExcerpt };
  /** Said beside it: `repeated`, `caught up`. */
  readonly mark?: string;
}

/** Fields as they are stored, and those that the last unit changed. */
export interface StoredFields {
  group: Record<string, Json>;
  player: Record<string, Json>;
  /** `group.price` */
  changed: ReadonlySet<string>;
  seq: number;
}

export interface RecordOptions {
  /** Milliseconds of a clock that never jumps. */
  now(): number;
  /** Milliseconds since 1970. */
  wall(): number;
  /** An entry is new, or has changed. */
  onEntry(entry: Entry): void;
  onFields(fields: StoredFields): void;
}

/** What has passed between a page and its group, in words for the panel. It touches nothing of the page. */
export class PanelRecord implements PagePanel {
  readonly inspects = true;
  private readonly options: RecordOptions;
  private readonly sent = new Map<number, { entry: Entry; at: number }>();
  private clientId = "";
  private seen = 0;
  private lastId = 0;
  private connected = false;
  private fields: StoredFields | undefined;

  constructor(options: RecordOptions) {
    this.options = options;
  }

  queued(n: number, payload: string): void {
    const entry = this.add("out", payload, { json: payload, n, outcome: "waiting", bytes: byteLength(payload) });
    this.sent.set(n, { entry, at: this.options.now() });
  }

  unsent(data: unknown, error: unknown): void {
    // The page's script has its own class of errors, which is not the one of this bundle.
    const { code } = error as { code?: string };
    const text = typeof data === "string" ? data : `(${data === null ? "null" : typeof data}, not sent)`;
    this.add("out", text, { outcome: "refused", error: { code, message: messageOf(error) } });
  }

  hello(seen: number, clientId: string): void {
    this.clientId = clientId;
    this.seen = Math.max(this.seen, seen);
    this.connected = false;
  }

  welcomed(): void {
    this.connected = true;
    this.add("note", "Connected.");
  }

  closed(): void {
    this.connected = false;
  }

  /** The connection is gone; the page tries again by itself. */
  lost(): void {
    this.connected = false;
    this.add("note", "The connection is lost; the page connects again.");
  }

  report(message: string, detail?: unknown): void {
    // liveRecv's error comes with the message on which it threw.
    const inner = typeof detail === "object" && detail !== null && "error" in detail ? detail.error : detail;
    this.fault(message, inner);
  }

  /** An error of the page's own scripts. @param where file and line, if the browser says them */
  fault(message: string, error: unknown, where?: string): void {
    const stack = error instanceof Error ? error.stack : undefined;
    const text = error instanceof Error ? `${message} ${error.message}` : message;
    this.add("error", text, { error: { message: text, ...(where ? { where } : {}), ...(stack ? { stack } : {}) } });
  }

  note(text: string): void {
    this.add("note", text);
  }

  frame(frame: ServerFrame | InspectionFrame): void {
    switch (frame.k) {
      case "recv":
        this.delivery(frame);
        break;
      case "answer":
        this.answer(frame.a, frame.s);
        break;
      case "state": {
        const json = JSON.stringify(frame.x);
        this.add("state", json, { json, bytes: byteLength(json), seq: frame.s, ...(frame.f ? { mark: "all" } : {}) });
        break;
      }
      case "notice":
        this.add("note", frame.halted ? "The server cannot save at the moment." : "The server saves again.");
        break;
      case "chat":
        for (const line of frame.m) {
          const json = JSON.stringify(line);
          this.add("in", `${line.nickname}: ${line.text}`, { json, bytes: byteLength(json), mark: "chat" });
        }
        break;
      case "wait":
        this.add("note", frame.text);
        break;
      case "reload":
        this.add("note", `The server asks the page to load again: ${frame.why}.`);
        break;
      case "fields":
        this.stored(frame);
        break;
      case "failure":
        this.failed(frame);
        break;
    }
  }

  private delivery({ s, m, a }: Delivery): void {
    const mark = s <= this.seen ? "seen before" : this.connected ? undefined : "caught up";
    this.seen = Math.max(this.seen, s);
    for (const data of m) {
      const json = JSON.stringify(data);
      this.add("in", json, { json, bytes: byteLength(json), seq: s, ...(mark === undefined ? {} : { mark }) });
    }
    if (a !== undefined) this.answer(a, s);
  }

  private answer({ c, n, v, e }: Answer, seq?: number): void {
    const sent = c === this.clientId ? this.sent.get(n) : undefined;
    if (sent === undefined) {
      // Of a message that the page before this one had sent.
      if (e !== undefined) this.add("error", `${e.code}: ${e.message}`, { error: e });
      return;
    }
    const { entry, at } = sent;
    // Sent twice and answered twice: the first answer counts.
    if (entry.outcome === "done" || entry.outcome === "refused") return;
    entry.latency = this.options.now() - at;
    entry.outcome = e === undefined ? "done" : e.retry ? "again" : "refused";
    if (v !== undefined) entry.reply = JSON.stringify(v);
    if (seq !== undefined) entry.seq = seq;
    if (e !== undefined) entry.error = { ...entry.error, code: e.code, message: e.message };
    if (entry.outcome !== "again") this.sent.delete(n);
    this.options.onEntry(entry);
  }

  /** Comes before the answer to the message. */
  private failed({ where, player, c, n, message, stack, source }: FailureFrame): void {
    const error = { message, where, ...(stack ? { stack } : {}), ...(source ? { source } : {}) };
    const own = c === this.clientId && n !== undefined ? this.sent.get(n) : undefined;
    if (own === undefined) {
      const who = player === undefined ? "" : `, player ${player}`;
      this.add("error", `${where}${who}: ${message}`, { error });
      return;
    }
    own.entry.error = error;
    this.options.onEntry(own.entry);
  }

  private stored(frame: FieldsFrame): void {
    const before = this.fields;
    const isAll = frame.kind === undefined || before === undefined;
    const fields: StoredFields = {
      group: isAll ? frame.group : { ...before.group, ...frame.group },
      player: isAll ? frame.player : { ...before.player, ...frame.player },
      changed: new Set(),
      seq: frame.s,
    };
    const changes: string[] = [];
    const changed = new Set<string>();
    for (const model of ["group", "player"] as const) {
      for (const [name, value] of Object.entries(frame[model])) {
        const old = before?.[model][name];
        if (before === undefined || JSON.stringify(old) === JSON.stringify(value)) continue;
        changed.add(`${model}.${name}`);
        changes.push(`${model}.${name}: ${shortly(old)} → ${shortly(value)}`);
      }
    }
    fields.changed = changed;
    this.fields = fields;
    this.options.onFields(fields);
    if (changes.length === 0) return;
    const json = JSON.stringify({ group: frame.group, player: frame.player });
    this.add("fields", changes.join(", "), { json, seq: frame.s, mark: frame.kind ?? "changed meanwhile" });
  }

  private add(kind: Entry["kind"], text: string, more: Partial<Entry> = {}): Entry {
    const entry: Entry = { id: ++this.lastId, at: this.options.wall(), kind, text, ...more };
    this.options.onEntry(entry);
    return entry;
  }
}

/** A value on a line that has others. */
function shortly(value: Json | undefined): string {
  const text = value === undefined ? "nothing" : JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}
