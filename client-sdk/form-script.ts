/**
 * The script of every participant page, live or not: bundled by the server, loaded in the page's <head>.
 * It gives authors `forminputs`, makes sliders work, and fills inputs again after a failed submit or a reload.
 */
import { watchAttention } from "./attention.ts";
import { startCountdown } from "./countdown.ts";
import { systemEnv } from "./env.ts";
import type { PageFormData } from "./form-data.ts";
import { restoreInputs } from "./form-inputs.ts";
import { forgetSentInputs, keepInputs } from "./kept-inputs.ts";
import { watchWhereabouts } from "./moved-on.ts";
import { watchSubmits } from "./page-form.ts";
import { watchSlider } from "./slider.ts";

interface JQuery {
  (element: Element): { trigger(event: unknown): void };
  Event(type: string, properties: object): unknown;
}

declare global {
  interface Window {
    /** The inputs of the page's form by name: `forminputs.age.value`. */
    readonly forminputs: HTMLFormControlsCollection;
    /** Not ours: some apps load it. */
    readonly jQuery?: JQuery;
  }
}

/** By its attribute: an input named "id" hides the property. */
const pageForm = () => document.querySelector<HTMLFormElement>("form#form");

Object.defineProperty(window, "forminputs", {
  get: () => {
    const form = pageForm();
    // As a property, it could be hidden by an input named "elements".
    return form && Reflect.get(HTMLFormElement.prototype, "elements", form);
  },
});

document.addEventListener("DOMContentLoaded", () => {
  const form = pageForm();
  const data = document.getElementById("walras-form")?.textContent;
  const page = data ? (JSON.parse(data) as PageFormData) : undefined;
  if (form && page) {
    restoreInputs(form, page);
    keepTyped(form, page);
  }
  for (const range of document.querySelectorAll<HTMLInputElement>(".slider > input[type=range]")) watchSlider(range);
  if (form && page?.timer) countDown(form, page.timer);
});

function keepTyped(form: HTMLFormElement, { keeps, failed }: PageFormData): void {
  try {
    forgetSentInputs(sessionStorage, location.pathname);
    if (keeps) keepInputs(form, sessionStorage, location.pathname, !failed);
  } catch {
    // The browser keeps nothing for pages of this site.
  }
}

/** Shows what is left of the page's time, and sends what is filled in when it is over. */
function countDown(form: HTMLFormElement, { left, announce }: NonNullable<PageFormData["timer"]>): void {
  const box = document.querySelector(".otree-timer");
  const time = document.querySelector(".otree-timer__time-left");
  const voice = box?.querySelector("[aria-live]");
  const [navigation] = performance.getEntriesByType("navigation") as PerformanceNavigationTiming[];
  const look = startCountdown({
    left,
    announce,
    // The server may have taken that long to send the page: whoever has less time than they think submits too late.
    since: navigation?.requestStart ?? 0,
    now: () => performance.now(),
    wall: () => Date.now(),
    after: systemEnv.after,
    show(text, isSoon, secondsLeft) {
      if (time) time.textContent = text;
      box?.classList.toggle("soon", isSoon);
      time?.dispatchEvent(new CustomEvent("walras:time", { bubbles: true, detail: { secondsLeft } }));
      if (time) tellJQuery(time, "update", secondsLeft);
    },
    say(text) {
      if (voice) voice.textContent = text;
    },
    onEnd() {
      time?.dispatchEvent(new CustomEvent("walras:timeout", { bubbles: true }));
      if (time) tellJQuery(time, "finish", 0);
      const field = document.createElement("input");
      Object.assign(field, { type: "hidden", name: "timeout_happened", value: "1" });
      form.append(field);
      // Past all checks, as nobody could mend anything any more.
      HTMLFormElement.prototype.submit.call(form);
    },
    onWake() {
      // Where the participant has been taken on meanwhile, the answer is a redirect.
      fetch(location.href, { method: "HEAD", redirect: "manual", cache: "no-store" }).then(
        (answer) => {
          if (answer.type === "opaqueredirect") location.replace(location.pathname + location.search);
        },
        () => {},
      );
    },
  });
  document.addEventListener("visibilitychange", look);
}

/** The events of the countdown that oTree has, for apps that bring jQuery along and listen to them. */
function tellJQuery(time: Element, type: "update" | "finish", totalSeconds: number): void {
  const { jQuery } = window;
  if (typeof jQuery?.Event !== "function") return;
  const offset = {
    totalSeconds,
    totalMinutes: Math.floor(totalSeconds / 60),
    seconds: totalSeconds % 60,
    minutes: Math.floor(totalSeconds / 60) % 60,
    hours: Math.floor(totalSeconds / 3600),
  };
  jQuery(time).trigger(jQuery.Event(`${type}.countdown`, { offset, elapsed: type === "finish" }));
}

// Only pages on which groups form have the words for it.
document.addEventListener("DOMContentLoaded", () => {
  const { stay, here } = document.getElementById("walras-live")?.dataset ?? {};
  if (stay && here) watchAttention(document, systemEnv, { stay, here }, (away) => window.live.away(away));
});

// A live page's script does all of this itself, with its outbox in mind.
if (!("live" in window)) {
  const look = watchWhereabouts({
    path: location.pathname,
    isHidden: () => document.hidden,
    ask: async (address) => (await fetch(address, { cache: "no-store" })).json(),
    after: systemEnv.after,
    random: Math.random,
    onMoved: () => location.replace(location.pathname + location.search),
  });
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) look();
  });
  watchSubmits(document, () => performance.now());
  addEventListener("pageshow", (event) => {
    // Out of the back/forward cache: the participant may be elsewhere by now.
    if (event.persisted) location.replace(location.pathname + location.search);
  });
}
