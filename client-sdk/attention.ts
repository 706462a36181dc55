import type { Env } from "./env.ts";

/** Longer than this in the background, or without an answer, and nobody is there. */
const HIDDEN_MS = 10_000;
const ANSWER_MS = 15_000;
/** Without a sign of life for so long, the page asks. */
const IDLE_MS = 120_000;
const SIGNS = ["pointerdown", "pointermove", "keydown", "scroll", "touchstart"];

export interface AttentionTexts {
  /** "Are you still there?" */
  stay: string;
  /** On the button: "Yes" */
  here: string;
}

/**
 * Whether somebody looks at a page on which groups form: nobody should be put together with a tab that was left in the
 * background, or a computer that was left alone. The title says which of the two it is.
 *
 * @param tell true: nobody is there
 */
export function watchAttention(
  document: Document,
  env: Pick<Env, "after">,
  texts: AttentionTexts,
  tell: (away: boolean) => void,
): void {
  const { title } = document;
  let away: boolean | undefined;
  let stop = () => {};
  let question: HTMLElement | null = null;
  const set = (now: boolean) => {
    if (now === away) return;
    document.title = `${now ? "🟡" : "🟢"} ${title}`;
    // Who has just come is there, as far as the server knows.
    if (now || away !== undefined) tell(now);
    away = now;
  };
  const ask = () => {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "btn btn-primary";
    button.textContent = texts.here;
    question = document.createElement("p");
    question.setAttribute("role", "alert");
    question.append(texts.stay, document.createElement("br"), button);
    (document.getElementById("walras-waiting")?.closest("div") ?? document.body).append(question);
    stop = env.after(ANSWER_MS, () => set(true));
  };
  const look = () => {
    stop();
    question?.remove();
    question = null;
    if (document.visibilityState === "hidden") stop = env.after(HIDDEN_MS, () => set(true));
    else {
      set(false);
      stop = env.after(IDLE_MS, ask);
    }
  };
  document.addEventListener("visibilitychange", look);
  for (const sign of SIGNS) document.addEventListener(sign, look, { passive: true, capture: true });
  look();
}
