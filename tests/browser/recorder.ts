import type { Message } from "../chaos/project/apps/market/index.ts";

/** What a page says of itself as it happens, so that nothing is lost with the page. `load` is the page load. */
export type Note = { readonly load: string } & (
  | { readonly kind: "loaded"; page: string; seq: number; history: boolean; transfers: number }
  | { readonly kind: "sent"; uid: string; client: string; n: number; page: string; data: string }
  | { readonly kind: "answered"; uid: string; answer: string }
  | { readonly kind: "received"; data: string }
);

/** A message with the mark by which the checker knows it. */
export type Marked = Message & { uid: string };

/** What {@link record} gives to the page's scripts and to the test. */
export interface Recorder {
  /** liveSend, written down. */
  send(data: Marked): void;
  /** From now on the page's liveRecv throws on each message. */
  breakLiveRecv(): void;
}

declare global {
  interface Window {
    walrasNote(note: Note): Promise<void>;
    recorder: Recorder;
  }
}

/**
 * Runs in the browser, before the first script of each page: it is stringified, and can use nothing from
 * outside. It watches the page's script from where authors stand, at liveSend and liveRecv.
 */
export function record(): void {
  if (!location.pathname.startsWith("/p/")) return;
  const load = String(performance.timeOrigin + Math.random());
  const note = (what: object) => void window.walrasNote({ load, ...what } as Note);
  let isBroken = false;

  // The page's script makes its clientId of the first 16 random bytes, and counts its messages from 1.
  let client = "";
  let n = 0;
  const getRandomValues = crypto.getRandomValues.bind(crypto);
  crypto.getRandomValues = <T extends ArrayBufferView | null>(array: T): T => {
    const bytes = getRandomValues(array as unknown as Uint8Array<ArrayBuffer>);
    client ||= btoa(String.fromCharCode(...bytes))
      .replace(/\+/g, "-")
      .replace(/\//g, "_")
      .replace(/=+$/, "");
    return array;
  };

  const live = (): { page: string; seq: number; history: boolean } | null =>
    JSON.parse(document.getElementById("walras-live")?.textContent ?? "null");

  window.recorder = {
    send(data) {
      const answer = window.liveSend(data);
      n += 1;
      note({ kind: "sent", uid: data.uid, client, n, page: live()?.page ?? "", data: JSON.stringify(data) });
      answer.then(
        () => note({ kind: "answered", uid: data.uid, answer: "done" }),
        (error: { code?: string }) => {
          // `left`: nobody was there any more to be told.
          if (error.code !== "left") note({ kind: "answered", uid: data.uid, answer: error.code ?? String(error) });
        },
      );
    },
    breakLiveRecv() {
      isBroken = true;
    },
  };

  // First of all listeners: the page's script hands over nothing before its own.
  document.addEventListener("DOMContentLoaded", () => {
    const begun = live();
    if (begun === null) return;
    const { page, seq, history } = begun;
    note({ kind: "loaded", page, seq, history, transfers: Number(document.getElementById("transfers")?.textContent) });
    const globals = window as unknown as { liveRecv(data: unknown): void };
    const { liveRecv } = globals;
    globals.liveRecv = (data) => {
      note({ kind: "received", data: JSON.stringify(data) });
      if (isBroken) throw new Error("broken by the test");
      liveRecv(data);
    };
  });
}
