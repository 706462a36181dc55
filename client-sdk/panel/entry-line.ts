import { element } from "./element.ts";
import type { Entry } from "./record.ts";

const SIGNS: Record<Entry["kind"], readonly [sign: string, said: string]> = {
  out: ["↑", "sent"],
  in: ["↓", "received"],
  state: ["↓", "published state"],
  fields: ["◆", "fields changed"],
  error: ["!", "error"],
  note: ["·", "note"],
};

/** Text of a line beyond which it is cut; opened, it shows everything. */
const LINE_LENGTH = 400;

/** One line of the list; it opens to show the whole message and error. */
export class EntryLine {
  readonly element: HTMLDetailsElement;
  private readonly summary = element("summary", {});
  private readonly more = element("div", { class: "more" });
  private entry: Entry;
  /** Has been counted as a fault. */
  isFault = false;

  constructor(entry: Entry) {
    this.entry = entry;
    this.element = element("details", {}, this.summary, this.more);
    this.element.addEventListener("toggle", () => {
      this.fill();
      if (!this.element.open) return;
      const isTall = this.element.offsetHeight > (this.element.parentElement?.clientHeight ?? 0);
      this.element.scrollIntoView({ block: isTall ? "start" : "nearest" });
    });
    this.update(entry);
  }

  /** @returns whether it has become a fault just now */
  update(entry: Entry): boolean {
    this.entry = entry;
    const wasFault = this.isFault;
    this.isFault = entry.kind === "error" || entry.outcome === "refused";
    this.element.className = `is-${entry.kind} is-${entry.outcome ?? "over"}`;
    const [sign, said] = SIGNS[entry.kind];
    const time = element("time", { datetime: new Date(entry.at).toISOString() }, clockTime(entry.at));
    this.summary.replaceChildren(
      time,
      element("span", { class: "sign", role: "img", "aria-label": said, title: said }, sign),
      element("span", { class: "text" }, element("code", {}, entry.text.slice(0, LINE_LENGTH)), ...this.reason()),
      element("span", { class: "facts" }, factsOf(entry).join(" · ")),
    );
    this.fill();
    return this.isFault && !wasFault;
  }

  /** Why a message was refused, on its line. */
  private reason(): Node[] {
    const { error, kind, outcome } = this.entry;
    if (error === undefined || kind !== "out" || outcome === "waiting") return [];
    const at = error.source === undefined ? "" : `${error.source.file}:${error.source.line}: `;
    return [element("span", { class: "reason" }, `${error.code ?? "failed"}: ${at}${error.message}`)];
  }

  /** What an open line shows. */
  private fill(): void {
    if (!this.element.open) {
      this.more.replaceChildren();
      return;
    }
    const { json, text, reply, error } = this.entry;
    const parts: Node[] = [element("pre", {}, json === undefined ? text : pretty(json))];
    if (reply !== undefined) parts.push(element("h4", {}, "Reply"), element("pre", {}, pretty(reply)));
    if (error !== undefined) {
      const { where, source, stack } = error;
      parts.push(element("h4", {}, where === undefined ? "Error" : `Error in ${where}`));
      parts.push(element("p", { class: "reason" }, error.message));
      if (source !== undefined) {
        const lines = source.lines.map(({ number, text }) => {
          const isIt = number === source.line;
          return element(
            "span",
            isIt ? { class: "it" } : {},
            `${isIt ? ">" : " "} ${String(number).padStart(4)}  ${text}`,
          );
        });
        parts.push(element("h4", {}, `${source.file}:${source.line}`), element("pre", { class: "source" }, ...lines));
      }
      if (stack !== undefined) parts.push(element("h4", {}, "Stack"), element("pre", { class: "stack" }, stack));
    }
    this.more.replaceChildren(...parts);
  }
}

function factsOf({ bytes, latency, outcome, mark, seq, n }: Entry): string[] {
  return [
    ...(mark === undefined ? [] : [mark]),
    ...(n === undefined ? [] : [`no. ${n}`]),
    ...(seq === undefined ? [] : [`entry ${seq}`]),
    ...(bytes === undefined ? [] : [bytes < 10_000 ? `${bytes} B` : `${(bytes / 1024).toFixed(1)} KB`]),
    ...(outcome === "waiting" ? ["waiting"] : outcome === "again" ? ["sent again"] : []),
    ...(latency === undefined ? [] : [`${latency < 10 ? latency.toFixed(1) : Math.round(latency)} ms`]),
  ];
}

/** `14:03:07.250` */
function clockTime(at: number): string {
  const time = new Date(at);
  const two = (number: number) => String(number).padStart(2, "0");
  const ms = String(time.getMilliseconds()).padStart(3, "0");
  return `${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}.${ms}`;
}

function pretty(json: string): string {
  return JSON.stringify(JSON.parse(json), null, 2);
}
