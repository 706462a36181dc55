import { randomBytes } from "node:crypto";
import nunjucks from "nunjucks";
import { clock } from "../client-sdk/countdown.ts";
import { AuthorError } from "../client-sdk/errors.ts";
import type { PageFormData } from "../client-sdk/form-data.ts";
import { BACK_FIELD } from "../client-sdk/protocol.ts";
import type { AppSpec, PageSpec } from "../entities/app-spec.ts";
import type { PageContext, Rendered, Renderer, WaitContext } from "../rooms/calls.ts";
import { type Language, Languages, PLAIN_POINTS } from "../rooms/languages.ts";
import { chatTag } from "./chat-html.ts";
import { type EngineOptions, TemplateEngine, WAIT_PAGE } from "./template-engine.ts";
import { escapeHtml, scriptJson } from "./template-filters.ts";
import { errorSummary, formTags } from "./template-forms.ts";
import { isTaken } from "./template-source.ts";

export interface TemplatesOptions extends EngineOptions {
  apps: ReadonlyMap<string, AppSpec>;
  /** URLs of what every page loads. */
  stylesheet: string;
  liveScript: string;
  formScript: string;
  chatScript: string;
  /** Default: English. */
  languages?: Languages | undefined;
}

/** The buttons of a page; where it can be left backwards, both are in one row. */
function buttons(canGoBack: boolean, { say }: Language): Record<string, unknown> {
  const next = `<button class="otree-btn-next btn btn-primary">${escapeHtml(say("next"))}</button>`;
  // Whatever is typed is let go, so nothing of it is in the way.
  const back = (steps: unknown = 1) => {
    if (!Number.isSafeInteger(steps) || (steps as number) < 1) {
      throw new Error(`{{ back_button ${steps} }}: say how many pages it leads back, e.g. {{ back_button 2 }}`);
    }
    return `<button class="otree-btn-back btn" name="${BACK_FIELD}" value="${steps}" formnovalidate>${escapeHtml(say("back"))}</button>`;
  };
  const safe = (html: string) => new nunjucks.runtime.SafeString(html);
  const row = (html: string) => safe(`<p class="otree-btn-next-row">${html}</p>`);
  return {
    // The first button is what Enter presses.
    next_button: row(canGoBack ? `${next} ${back()}` : next),
    back_button: (steps?: unknown) => (canGoBack ? safe(back(steps)) : ""),
    // Enter presses a form's first button, which must not be Back, wherever the template puts that.
    walras_can_go_back: canGoBack,
    // For templates that place their back_button themselves.
    walras_next_only: row(next),
  };
}

/** All HTML that the server writes: participants' pages and its own. */
export class Templates implements Renderer {
  readonly #engine: TemplateEngine;
  readonly #options: TemplatesOptions;
  readonly languages: Languages;

  constructor(options: TemplatesOptions) {
    this.#options = options;
    this.languages = options.languages ?? new Languages({ currency: PLAIN_POINTS });
    this.#engine = new TemplateEngine(options);
    for (const [app, page] of this.#pages()) this.#engine.addPage(ownTemplate(app, page));
  }

  #pages(): [AppSpec, PageSpec][] {
    return [...this.#options.apps.values()].flatMap((app) => app.pages.map((page): [AppSpec, PageSpec] => [app, page]));
  }

  /** A wait page needs no template of its own. */
  #templateOf(app: AppSpec, page: PageSpec): string {
    const own = ownTemplate(app, page);
    return page.wait === undefined || this.#engine.has(own) ? own : WAIT_PAGE;
  }

  /** Compiles the template of every page, so that what is missing or wrong shows at start. @throws AuthorError */
  check(): void {
    for (const [app, page] of this.#pages()) this.#engine.check(this.#templateOf(app, page));
  }

  /** One page for one participant. */
  render(context: PageContext): Rendered {
    const taken = Object.keys(context.variables).find(isTaken);
    if (taken !== undefined) {
      throw new AuthorError(
        "reserved_name",
        `${context.app.name}/${context.page.name}: varsForTemplate gives a variable "${taken}", which is a word of the template language. Give it another name.`,
      );
    }
    const nonce = randomBytes(16).toString("base64url");
    const language = context.language ?? this.languages.of();
    const { chat: make } = context;
    const chats = chatTag({ make, language, script: this.#options.chatScript });
    const html = this.#engine.render(this.#templateOf(context.app, context.page), {
      ...formTags(context.form, context.page.name, { texts: language.texts, currency: context.currency }),
      ...waitVariables(context.wait),
      ...context.variables,
      ...buttons(context.canGoBack, language),
      walras_nonce: nonce,
      walras_chat: chats.chat,
      ...spoken(language),
      walras_title: context.app.title,
      walras_stylesheet: this.#options.stylesheet,
      walras_live_script: context.live === null ? "" : this.#options.liveScript,
      walras_seat_slot: context.seatSlot ?? "",
      walras_js_vars: context.jsVars === undefined ? "" : scriptJson(context.jsVars),
      walras_form_script: this.#options.formScript,
      walras_form_data: formData(context, language),
      walras_error: errorSummary(context.form, context.error),
      walras_timer: context.timer === undefined ? "" : { text: context.timer.text, clock: clock(context.timer.left) },
      walras_wait: context.wait !== undefined,
      walras_forms_groups: context.wait?.forms === true,
      walras_attention: context.wait?.attention === true,
      walras_currency: context.currency,
      walras_money: language.money,
      walras_facts: context.facts === undefined ? "" : scriptJson(context.facts),
    });
    return { html, nonce, hasChat: chats.count > 0 };
  }

  /**
   * One of the server's own pages: `name` is a file in server/views. Their scripts are files, without a nonce.
   *
   * @param language of a session's config, where one is concerned; participants' views say everything by `walras_say`
   */
  view(name: string, variables: Readonly<Record<string, unknown>>, language?: unknown): string {
    return this.#engine.render(`walras/${name}`, {
      walras_nonce: "",
      ...spoken(this.languages.of(language)),
      walras_stylesheet: this.#options.stylesheet,
      ...variables,
    });
  }
}

function ownTemplate(app: AppSpec, page: PageSpec): string {
  return `${app.name}/${page.name}.html`;
}

/** What the templates of wait pages have: oTree's names for the texts, and the line that the page's script keeps up to date. */
function waitVariables(wait: WaitContext | undefined): Record<string, unknown> {
  if (wait === undefined) return {};
  const line = wait.line.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
  return {
    title_text: wait.title,
    body_text: wait.body,
    waiting: new nunjucks.runtime.SafeString(`<span id="walras-waiting" role="status">${line}</span>`),
  };
}

/** What the page's script needs: what inputs hold that the author wrote, and what is wrong with them. */
function formData({ page, answers, form, error, timer }: PageContext, { texts }: Language): string {
  const kept = Object.entries(answers).filter(([name]) => !name.startsWith("_walras"));
  const wrong = (form?.fields ?? []).flatMap(({ name, error }) => (error === undefined ? [] : [[name, error]]));
  const data: PageFormData = {
    answers: Object.fromEntries(kept),
    errors: Object.fromEntries(wrong),
    failed: error !== undefined,
    ...(page.keepsInputs ? { keeps: true } : {}),
    ...(timer === undefined ? {} : { timer: { left: timer.left, announce: texts.secondsLeft } }),
  };
  return scriptJson(data);
}

/** What every base template has of the language. */
function spoken({ code, direction, say }: Language): Record<string, unknown> {
  return { walras_language: code, walras_direction: direction, walras_say: say };
}
