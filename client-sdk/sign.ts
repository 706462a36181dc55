import type { Env } from "./env.ts";
import type { LiveStatus } from "./live-client.ts";

/** Shorter interruptions are nobody's business. */
const PATIENCE_MS = 1_500;

export interface SignTexts {
  lost: string;
  halted: string;
  resting: string;
}

export const SIGN_TEXTS: SignTexts = {
  lost: "Connection lost. Trying again… Your inputs are kept.",
  halted: "The server cannot save at the moment. Please wait; your inputs are kept.",
  resting: "You have opened this study in too many tabs. Go on in the newest one, or load this page again.",
};

/** What the sign should say of a status; null: nothing. */
function signText(status: LiveStatus, texts: SignTexts): string | null {
  if (status === "halted" || status === "resting") return texts[status];
  return status === "lost" || status === "connecting" ? texts.lost : null;
}

/**
 * Decides when the sign is shown: after {@link PATIENCE_MS} of a bad status, gone as soon as it is good.
 *
 * @param show puts the text on the screen, null takes the sign away
 * @returns what to call with each new status
 */
export function makeSign(
  env: Env,
  texts: SignTexts,
  show: (text: string | null) => void,
): (status: LiveStatus) => void {
  let cancel: (() => void) | null = null;
  let wanted: string | null = null;
  let shown: string | null = null;
  const apply = () => {
    cancel = null;
    shown = wanted;
    show(shown);
  };
  return (status) => {
    wanted = signText(status, texts);
    if (wanted !== null && shown === null) {
      // One patience for the whole interruption, whatever the statuses on the way.
      cancel ??= env.after(PATIENCE_MS, apply);
      return;
    }
    cancel?.();
    cancel = null;
    if (wanted !== shown) apply();
  };
}

/** Draws the sign: a bar at the lower edge, which makes room for itself so that it never covers the Next button. */
export function signBar(document: Document): (text: string | null) => void {
  let bar: HTMLElement | null = null;
  return (text) => {
    const { body } = document;
    if (!bar) {
      bar = document.createElement("div");
      bar.id = "walras-sign";
      bar.setAttribute("role", "status");
      // Properties set by script are allowed by the CSP; a style attribute in HTML is not.
      Object.assign(bar.style, {
        position: "fixed",
        left: "0",
        right: "0",
        bottom: "0",
        zIndex: "2147483000",
        boxSizing: "border-box",
        padding: "10px 16px calc(10px + env(safe-area-inset-bottom, 0px))",
        background: "#7a2e0e",
        color: "#fff",
        font: "15px/1.4 system-ui, sans-serif",
        textAlign: "center",
        textWrap: "balance",
        boxShadow: "0 -1px 6px rgb(0 0 0 / 0.3)",
        // A click on what lies beneath still counts.
        pointerEvents: "none",
      });
    }
    // Trouble can begin before the parser has come to the body, and scripts can put another content into it.
    if (!bar.isConnected) (body ?? document.documentElement).append(bar);
    bar.textContent = text ?? "";
    // Not `hidden`, which loses against a page's own `div { display: … }`.
    bar.style.display = text === null ? "none" : "block";
    if (body) body.style.paddingBottom = text === null ? "" : `${bar.offsetHeight}px`;
  };
}
