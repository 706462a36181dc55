import { AuthorError } from "../client-sdk/errors.ts";
import { type PageFacts, type PageLive, PROTOCOL_VERSION } from "../client-sdk/protocol.ts";
import type { PageSpec } from "../entities/app-spec.ts";
import { runIn } from "../entities/current-view.ts";
import { constantsForTemplate, forTemplate } from "../entities/template-handles.ts";
import type { Reply, WaitContext } from "./calls.ts";
import { chatBox } from "./chat-box.ts";
import { connects } from "./connects.ts";
import { type Posted, showForm } from "./form-turn.ts";
import type { FormErrors } from "./page-form.ts";
import type { PageWalk } from "./page-walk.ts";

/** Those whose template has shown a chat in this process. */
const pagesWithChat = new WeakSet<PageSpec>();

/**
 * Renders the page on which somebody is, within the turn of their request.
 *
 * @param at the unit's time @param deadline when their time on the page is over, if it is
 * @param failed a submit that was refused: its inputs are kept
 */
export function renderPage(
  walk: PageWalk,
  at: number,
  deadline: number | undefined,
  failed: { posted?: Posted; errors?: FormErrors } = {},
): Reply {
  const { actor, participant: row, view } = walk;
  const { app, world, language } = actor;
  const { page, identity, index } = walk;
  const { posted, errors } = failed;
  const vars = variables(walk, "varsForTemplate", page.varsForTemplate);
  const jsVars = page.jsVars === undefined ? undefined : variables(walk, "jsVars", page.jsVars);
  const form = showForm(walk.scene, posted, errors);
  const player = forTemplate(view.player(walk.player)) as Record<string, unknown>;
  const connection: PageLive = {
    v: PROTOCOL_VERSION,
    page: identity,
    seq: actor.seq,
    now: at,
    seat: null,
    seatUrl: `/p/${row.values.code}/seat`,
    messageLimit: world.limits.messageBytes,
    history: page.history,
    currency: language.currency,
    ...stateOf(walk),
  };
  const slot = `walras-seat-${world.newSecret()}`;
  const { group, session, subsession, participant } = player;
  const render = (live: PageLive | null) =>
    world.watchdog.watch(`${app.name}/${page.name}.html`, () =>
      runIn(view, () =>
        world.renderer.render({
          app,
          page,
          identity,
          pageIndex: index,
          pageCount: actor.itinerary.length,
          participantCode: row.values.code as string,
          variables: {
            player,
            group,
            session,
            subsession,
            participant,
            C: constantsForTemplate(app),
            ...vars,
          },
          jsVars,
          live,
          seatSlot: live === null ? null : slot,
          chat: (options) => chatBox(walk, options),
          ...form,
          wait: waitPage(walk),
          canGoBack: walk.before() !== undefined,
          timer: deadline === undefined ? undefined : { left: deadline - at, text: timerText(walk) },
          currency: language.currency,
          language,
          facts: facts(walk),
        }),
      ),
    );
  let live = connects(app, page) || pagesWithChat.has(page) ? connection : null;
  let rendered = render(live);
  if (rendered.hasChat === true && live === null) {
    // Its head, which loads the script, was written before the template came to its chat.
    pagesWithChat.add(page);
    live = connection;
    rendered = render(live);
  }
  const seatSlot = live === null ? null : slot;
  const { html, nonce } = rendered;
  return { kind: "page", html, nonce, live, seatSlot, status: errors === undefined ? 200 : 422 };
}

/** For bots, who play in demo sessions only. */
function facts(walk: PageWalk): PageFacts | undefined {
  const { memory, itinerary, actorId, waits } = walk.actor;
  if (memory.session.isDemo !== true) return undefined;
  const { page, identity, index } = walk;
  const wait = waits.at(index);
  const player =
    wait !== undefined && waits.isLobby(wait) ? undefined : memory.playerOf(walk.participant.values.id as number);
  return {
    ...(page.live === undefined ? {} : { live: true }),
    ...(page.wait === undefined ? {} : { wait: true }),
    page: identity,
    index,
    pages: itinerary.length,
    participant: walk.participant.values.idInSession as number,
    idInGroup: (player?.values.idInGroup as number | undefined) ?? null,
    group: actorId,
  };
}

function timerText(walk: PageWalk): string {
  const given = walk.page.timeout?.text;
  return String(
    (typeof given === "function" ? walk.call("timerText", given) : given) ?? walk.actor.language.texts.timeLeft,
  );
}

function waitPage(walk: PageWalk): WaitContext | undefined {
  const { memory, waits, language } = walk.actor;
  const wait = waits.at(walk.index);
  if (wait === undefined) return undefined;
  waits.look(wait);
  const text = (name: "title" | "body", standard: string): string => {
    const given = wait.wait[name];
    return String((typeof given === "function" ? walk.call(name, given) : given) ?? standard);
  };
  // Where more than the group wait for each other, there are several in any case.
  const others = wait.wait.scope === "group" ? memory.players.length - 1 : 2;
  return {
    title: text("title", language.wait.title),
    body: text("body", language.wait.body(others)),
    line: waits.line(wait),
    forms: waits.isLobby(wait),
    // In a demo session one person has all the tabs, and looks at one of them.
    attention: waits.isLobby(wait) && memory.session.isDemo !== true,
  };
}

function stateOf(walk: PageWalk): Pick<PageLive, "state"> {
  const { published, memory } = walk.actor;
  const player = memory.playerOf(walk.participant.values.id as number);
  return published === undefined || player === undefined
    ? {}
    : { state: published.rendered(player.values.idInGroup as number) };
}

function variables(walk: PageWalk, name: string, hook: PageSpec["varsForTemplate"]): Record<string, unknown> {
  const vars = walk.call(name, hook);
  if (vars === undefined) return {};
  if (typeof vars !== "object" || vars === null || Array.isArray(vars)) {
    throw new AuthorError(
      "wrong_variables",
      `${walk.actor.app.name}/${walk.page.name}: ${name} did not return an object of variables, e.g. { price: 5 }.`,
    );
  }
  return forTemplate(vars) as Record<string, unknown>;
}
