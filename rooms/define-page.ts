import { AuthorError } from "../client-sdk/errors.ts";
import type { AppSpec, PageSpec } from "../entities/app-spec.ts";
import type { Fields } from "../entities/fields.ts";
import { checkKeys } from "../entities/suggest.ts";
import { describe } from "../entities/values.ts";
import type { PageOptions } from "./author-types.ts";
import { FORM_OPTIONS, type FormOptions, formSpec } from "./form-options.ts";
import { hasAsyncHook, isAsyncHook } from "./hooks.ts";
import { checkLiveOptions, LIVE_OPTIONS, type RawLiveOptions } from "./live-handlers.ts";
import { checkHook, checkObject, checkSyncHook } from "./option-checks.ts";
import { TIMEOUT_OPTIONS, timeoutOf } from "./timeout-options.ts";

const PAGE_FUNCTIONS = [
  "isDisplayed",
  "varsForTemplate",
  "jsVars",
  "errorMessage",
  "computer",
  "beforeNextPage",
  "appAfterThisPage",
  "lastRound",
  "presence",
] as const;
const PAGE_OPTIONS = [
  "history",
  "allowBack",
  "preserveUnsubmittedInputs",
  ...TIMEOUT_OPTIONS,
  ...LIVE_OPTIONS,
  ...FORM_OPTIONS,
  ...PAGE_FUNCTIONS,
  "onChat",
];

/** The options of any page: whose fields its form sets is checked where the form is, what its messages are where they are. */
export type GivenOptions = Omit<PageOptions<never>, keyof FormOptions<never, Fields>> &
  Partial<Record<keyof FormOptions<never, Fields>, unknown>> &
  RawLiveOptions;

/**
 * Checks a page.
 *
 * @param mayWait whether any of its functions is async
 * @throws AuthorError naming app, page, option, value and cure
 */
export function makePage(
  spec: AppSpec,
  name: string,
  options: GivenOptions,
  mayWait = hasAsyncHook(options),
): PageSpec {
  const { name: app, pages: before } = spec;
  if (typeof name !== "string" || !/^[A-Za-z][A-Za-z0-9_]*$/.test(name)) {
    throw new AuthorError(
      "wrong_name",
      `${app}: a page's name is ${describe(name)}; give it a letter, then letters, digits and underscores, e.g. "Bidding".`,
    );
  }
  const where = `${app}: page ${name}`;
  if (before.some((page) => page.name === name)) {
    throw new AuthorError("name_taken", `${where} exists already. Choose another name; to play it again, use rounds.`);
  }
  checkObject(options, "wrong_option", `${where}: its second argument`, "{ live(player, data) { ... } }");
  checkKeys(options, PAGE_OPTIONS, where);
  const { history, allowBack, preserveUnsubmittedInputs } = options;
  for (const key of PAGE_FUNCTIONS) checkHook(options[key], `${where}: ${key}`);
  const why = "a message is posted or refused at once. Set a timer for what takes its time, group.after(0, ...).";
  checkSyncHook(options.onChat, `${where}: onChat`, why);
  for (const [key, value] of Object.entries({ history, allowBack, preserveUnsubmittedInputs })) {
    if (value === undefined || typeof value === "boolean") continue;
    throw new AuthorError("wrong_option", `${where}: ${key} is ${describe(value)}; give it true or false.`);
  }
  return {
    name,
    ...checkLiveOptions(options, history === true, mayWait || hasAsyncCheck(spec), where),
    history: history ?? false,
    isDisplayed: options.isDisplayed,
    varsForTemplate: options.varsForTemplate,
    jsVars: options.jsVars,
    errorMessage: options.errorMessage as PageSpec["errorMessage"],
    form: formSpec(options, spec, where),
    computer: options.computer as PageSpec["computer"],
    beforeNextPage: options.beforeNextPage,
    appAfterThisPage: options.appAfterThisPage,
    lastRound: options.lastRound,
    allowBack: allowBack ?? false,
    keepsInputs: preserveUnsubmittedInputs,
    timeout: timeoutOf(options, where),
    presence: options.presence,
    onChat: options.onChat,
    wait: undefined,
  };
}

/** Whether a field's own check is async, which runs where a page's form has the field. */
function hasAsyncCheck({ group, player }: AppSpec): boolean {
  return [group, player].some(({ fields }) =>
    Object.values(fields).some(({ form }) => isAsyncHook(form?.errorMessage)),
  );
}
