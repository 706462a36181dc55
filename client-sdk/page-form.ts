import { OUTBOX_FIELD } from "./protocol.ts";

/** A second submit within this time is a double click. After it, the first one has probably failed. */
const DOUBLE_SUBMIT_MS = 5_000;

export interface PageFormOptions {
  document: Document;
  now(): number;
  /** The unanswered messages as JSON text of `Send[]`. */
  outbox(): string;
  /** The form has been submitted: another page is on its way. */
  onLeave(): void;
}

/**
 * Looks after the page's form, `<form id="form">`: it takes the outbox along, a double click submits
 * once, and Enter in a live widget's input does not leave the page.
 */
export function watchPageForm({ document, now, outbox, onLeave }: PageFormOptions): void {
  // `formdata` fires for a click on Next and for form.submit() alike, which fires no submit event; not for
  // a submit that somebody prevented. (A script's own `new FormData(form)` looks the same, and is rare.)
  document.addEventListener("formdata", (event) => {
    if (!isPageForm(event.target)) return;
    event.formData.set(OUTBOX_FIELD, outbox());
    onLeave();
  });

  watchSubmits(document, now);

  // As oTree does, on keypress: a page's own handlers of Enter, mostly on keydown, still run. Delegated,
  // so that inputs which scripts create later are covered too.
  document.addEventListener("keypress", (event) => {
    if (event.key === "Enter" && submitsOnEnter(event.target)) event.preventDefault();
  });
}

/** A double click submits once. */
export function watchSubmits(document: Document, now: () => number): void {
  let submittedAt = Number.NEGATIVE_INFINITY;
  const window = document.defaultView ?? document;
  // On the window, after the page's own listeners have had their say.
  window.addEventListener("submit", (event) => {
    if (!isPageForm(event.target) || event.defaultPrevented) return;
    if (now() - submittedAt < DOUBLE_SUBMIT_MS) event.preventDefault();
    else submittedAt = now();
  });
}

/** By its attribute: an input named "id" hides the property. */
function isPageForm(target: EventTarget | null): boolean {
  return target instanceof HTMLFormElement && target.getAttribute("id") === "form";
}

/** Whether Enter in this element would submit the page's form without anybody asking for it. */
function submitsOnEnter(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLInputElement &&
    isPageForm(target.form) &&
    !["submit", "image", "button", "reset"].includes(target.type)
  );
}
