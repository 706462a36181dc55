/** The script of the page on which bots play a demo session for everybody to see; the server adds the apps' bots. */
import { messageOf } from "../client-sdk/errors.ts";
import type { BotPlayer } from "./bot-player.ts";
import { type Bots, isBots } from "./define-bots.ts";
import { frameTab } from "./frame-tab.ts";
import { type BotsOutcome, caseOf, describeErrors, runBots } from "./run-bots.ts";

declare global {
  interface Window {
    /** Line of this script → line of the project, `apps/auction/bots.ts:17`; empty: none of an author's. */
    walrasBotsLines?: readonly string[];
  }
}

/** Bots wait longer where they are slowed down, and much longer where a person plays, too: so many times. */
const PATIENCE = { bots: 10, person: 360 } as const;
/** How often the line above each frame says what its bot does, in milliseconds. */
const STATUS_MS = 150;

/** One participant's frame, and what stands above it. */
interface Screen {
  readonly frame: HTMLIFrameElement;
  readonly isBot: HTMLInputElement;
  readonly status: HTMLElement;
  readonly link: string;
}

// Before the apps' bots.ts run: what they throw would be seen nowhere else.
addEventListener("error", (event) => say("The bots cannot play here.", "bad", event.message));

/** Fills the page's list of cases and lets its button start the bots. @param all those of the session's apps, in order */
export function offerBots(all: readonly Bots[]): void {
  if (!all.every(isBots)) {
    throw new Error(
      "A bots.ts does not export bots. End it with: export default defineBots(app, async (bot) => { ... });",
    );
  }
  const bots = new Map(all.map((one) => [one.app, one]));
  const screens = [...document.querySelectorAll<HTMLElement>(".screen")].map(readScreen);
  const form = find<HTMLFormElement>(document, "#bots-form");
  const cases = find<HTMLSelectElement>(form, "#bots-case");
  const count = Math.max(0, ...all.map((one) => one.cases.length));
  for (let i = 0; i < count; i++) {
    const names = all.map((one) => caseOf(one, i)).filter((name) => name !== "");
    cases.append(new Option([...new Set(names)].join(" / "), String(i)));
  }
  if (count > 1) find(form, "#bots-cases").hidden = false;
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const pause = Number(find<HTMLSelectElement>(form, "#bots-speed").value);
    // Once: a session that has been played cannot be played again.
    for (const control of document.querySelectorAll<HTMLInputElement>("#bots-form :is(button, select), .bot-seat")) {
      control.disabled = true;
    }
    play(bots, screens, Number(cases.value), pause).then(tell, (error) => say(messageOf(error), "bad"));
  });
  find<HTMLButtonElement>(form, "button").disabled = false;
}

async function play(
  bots: ReadonlyMap<string, Bots>,
  screens: readonly Screen[],
  caseNumber: number,
  pauseMs: number,
): Promise<BotsOutcome> {
  const played = screens.filter(({ isBot }) => isBot.checked);
  const players = new Map<HTMLIFrameElement, BotPlayer>();
  const ended = new Map<BotPlayer, string>();
  const show = (): void => {
    for (const { frame, status } of played) {
      const player = players.get(frame);
      const end = player && ended.get(player);
      status.textContent = end ?? player?.at.action ?? "";
      status.classList.toggle("bad", end === "failed");
    }
  };
  const timer = setInterval(show, STATUS_MS);
  say(played.length < screens.length ? "Bots play; the other seats are yours." : "Bots play …");
  try {
    return await runBots({
      participants: played.map(({ frame, link }) => frameTab(frame, link)),
      numbers: played.map((screen) => screens.indexOf(screen) + 1),
      bots,
      caseNumber,
      seed: Math.floor(Math.random() * 2 ** 31),
      patience: played.length < screens.length ? PATIENCE.person : PATIENCE.bots,
      before: pauseMs === 0 ? undefined : () => new Promise((resolve) => setTimeout(resolve, pauseMs)),
      hooks: {
        onPage(player) {
          const screen = screens[player.participant - 1];
          if (screen !== undefined) players.set(screen.frame, player);
        },
        onEnd: (player, error) => void ended.set(player, error === undefined ? "done" : "failed"),
      },
      locate,
    });
  } finally {
    clearInterval(timer);
    show();
  }
}

function tell({ outcomes, errors, ms }: BotsOutcome): void {
  const sent = outcomes.reduce((sum, one) => sum + one.sent, 0);
  const facts = `${sent} message${sent === 1 ? "" : "s"} sent, ${(ms / 1000).toFixed(1)} s`;
  if (errors.length === 0) say(`All bots came to the end: ${facts}.`, "good");
  else say(`Something went wrong (${facts}).`, "bad", describeErrors(errors));
}

function say(text: string, look = "", details = ""): void {
  const line = find(document, "#bots-result");
  line.textContent = text;
  line.className = look;
  const box = find(document, "#bots-details");
  box.textContent = details;
  box.hidden = details === "";
}

function locate(place: string): string | undefined {
  const [, line = ""] = /:(\d+):\d+$/.exec(place) ?? [];
  return window.walrasBotsLines?.[Number(line)] || undefined;
}

function readScreen(section: HTMLElement): Screen {
  return {
    frame: find(section, "iframe"),
    isBot: find(section, ".bot-seat"),
    status: find(section, ".bot-status"),
    link: section.dataset.link ?? "",
  };
}

function find<E extends HTMLElement>(within: ParentNode, selector: string): E {
  const found = within.querySelector<E>(selector);
  if (found === null) throw new Error(`the page has no ${selector}`);
  return found;
}
