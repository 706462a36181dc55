import { AuthorError } from "../client-sdk/errors.ts";
import type { FieldKind } from "./app-spec.ts";
import { checkKeys } from "./suggest.ts";
import { describe } from "./values.ts";

/** How a form shows a field, made by {@link radio}, {@link slider} and their like. */
export type Widget =
  | { readonly type: "dropdown" | "radio" | "radioHorizontal" | "checkbox" | "input" | "textarea" | "hidden" }
  | ({ readonly type: "likert" } & LikertOptions)
  | ({ readonly type: "slider" } & SliderOptions);

export interface LikertOptions {
  /** Points of the scale, when neither `labels` nor the field's `choices` name them. Default: 7. */
  readonly points?: number;
  /** What each point is called, first to last: the answers are then 1, 2, 3 ... */
  readonly labels?: readonly string[];
  /** Words beside the first and the last point. */
  readonly low?: string;
  readonly high?: string;
}

export interface SliderOptions {
  /** Ends of the scale. Default: the field's `min` and `max`. */
  readonly min?: number;
  readonly max?: number;
  /** Default: 1, or a hundredth for a float of a range of 1 or less. */
  readonly step?: number;
  /** Words beside the ends. */
  readonly low?: string;
  readonly high?: string;
}

/** Choices in a list that opens: what fields with choices have by default. */
export function dropdown(): Widget {
  return { type: "dropdown" };
}

/** One choice above the other, all in sight. */
export function radio(): Widget {
  return { type: "radio" };
}

/** Choices side by side; below each other where the screen is too narrow. */
export function radioHorizontal(): Widget {
  return { type: "radioHorizontal" };
}

/** A box to tick, for yes or no: not ticked is false. */
export function checkbox(): Widget {
  return { type: "checkbox" };
}

/** A text of several lines. */
export function textarea(): Widget {
  return { type: "textarea" };
}

/** Not shown: filled by the page's script, `forminputs.x.value = …`. */
export function hidden(): Widget {
  return { type: "hidden" };
}

/**
 * A scale of points side by side. Fields with the same scale that follow each other make one table.
 * With `labels` or `points` alone, the answers are 1, 2, 3 ...
 */
export function likert(options: LikertOptions = {}): Widget {
  return { ...options, type: "likert" };
}

/** A line to slide on, without a mark until it is touched, so that no answer is suggested. */
export function slider(options: SliderOptions = {}): Widget {
  return { ...options, type: "slider" };
}

const NUMBERS: readonly FieldKind[] = ["integer", "float", "currency"];
const CHOSEN: readonly FieldKind[] = [...NUMBERS, "boolean", "text"];
const ALL: readonly FieldKind[] = [...CHOSEN, "longText", "json", "timestamp"];
/** Which kinds of field a widget can show, and its options. */
const WIDGETS: Readonly<Record<Widget["type"], { kinds: readonly FieldKind[]; options: readonly string[] }>> = {
  dropdown: { kinds: CHOSEN, options: [] },
  radio: { kinds: CHOSEN, options: [] },
  radioHorizontal: { kinds: CHOSEN, options: [] },
  checkbox: { kinds: ["boolean"], options: [] },
  input: { kinds: ALL, options: [] },
  textarea: { kinds: ["text", "longText", "json"], options: [] },
  hidden: { kinds: ALL, options: [] },
  likert: { kinds: ["integer", "text"], options: ["points", "labels", "low", "high"] },
  slider: { kinds: NUMBERS, options: ["min", "max", "step", "low", "high"] },
};

/** A scale of more points is no longer one. */
const MOST_POINTS = 21;

/**
 * Checks a widget as an author gave it.
 *
 * @param where names the field, e.g. "survey: Player.age: widget"
 * @throws AuthorError `wrong_option`, `unknown_option`
 */
export function checkWidget(value: unknown, kind: FieldKind, where: string): Widget {
  const type = typeof value === "object" && value !== null ? Reflect.get(value, "type") : undefined;
  if (typeof type !== "string" || !Object.hasOwn(WIDGETS, type)) {
    const cure =
      typeof value === "function" ? `Call it: ${value.name || "radio"}()` : "Use radio(), slider({ ... }) or another";
    throw new AuthorError("wrong_option", `${where} is ${describe(value)}, not a widget. ${cure}.`);
  }
  const widget = value as Widget;
  const { kinds, options } = WIDGETS[widget.type];
  if (!kinds.includes(kind)) {
    const fit = Object.keys(WIDGETS).filter((name) => WIDGETS[name as Widget["type"]].kinds.includes(kind));
    throw new AuthorError(
      "wrong_option",
      `${where}: ${type}() cannot show a field of kind ${kind}; ${fit.join(", ")} can. Change the widget or the field.`,
    );
  }
  checkKeys(widget, ["type", ...options], `${where}: ${type}()`);
  if (widget.type === "likert") checkLikert(widget, kind, where);
  if (widget.type === "slider") checkSlider(widget, where);
  return widget;
}

/** The choices that a Likert scale stands for if its field declares none. */
export function likertChoices(widget: Widget | undefined): [value: number, label: string][] | undefined {
  if (widget?.type !== "likert") return undefined;
  const labels = widget.labels ?? Array.from({ length: widget.points ?? 7 }, (_, i) => String(i + 1));
  return labels.map((label, i) => [i + 1, label]);
}

function checkLikert(widget: LikertOptions, kind: FieldKind, where: string): void {
  const { points, labels } = widget;
  checkEnds(widget, `${where}: likert()`);
  if (points !== undefined && !(Number.isSafeInteger(points) && points >= 2 && points <= MOST_POINTS)) {
    throw wrong(`${where}: likert(): points`, points, `give it a whole number from 2 to ${MOST_POINTS}`);
  }
  const isList = Array.isArray(labels) && labels.length >= 2 && labels.every((label) => typeof label === "string");
  if (labels !== undefined && !isList) {
    throw wrong(`${where}: likert(): labels`, labels, 'give it an array of texts, e.g. ["No", "Perhaps", "Yes"]');
  }
  if (points !== undefined && labels !== undefined && labels.length !== points) {
    throw new AuthorError(
      "wrong_option",
      `${where}: likert() has ${labels.length} labels for ${points} points; leave out points.`,
    );
  }
  if (kind === "text" && (points !== undefined || labels !== undefined)) {
    throw new AuthorError(
      "wrong_option",
      `${where}: likert({ ${labels === undefined ? "points" : "labels"} }) answers 1, 2, 3 ..., but the field is a text. Make it integer(), or give the field choices.`,
    );
  }
}

function checkSlider(widget: SliderOptions, where: string): void {
  checkEnds(widget, `${where}: slider()`);
  const { min, max, step } = widget;
  for (const [name, value] of Object.entries({ min, max, step })) {
    if (value !== undefined && !Number.isFinite(value)) {
      throw wrong(`${where}: slider(): ${name}`, value, "give it a number");
    }
  }
  if (min !== undefined && max !== undefined && min >= max) {
    throw new AuthorError("wrong_option", `${where}: slider(): min ${min} is not less than max ${max}.`);
  }
  if (step !== undefined && step <= 0) throw wrong(`${where}: slider(): step`, step, "give it a number above 0");
}

function checkEnds({ low, high }: { low?: unknown; high?: unknown }, where: string): void {
  for (const [name, text] of Object.entries({ low, high })) {
    if (text !== undefined && typeof text !== "string") throw wrong(`${where}: ${name}`, text, "give it a string");
  }
}

function wrong(where: string, value: unknown, cure: string): AuthorError {
  return new AuthorError("wrong_option", `${where} is ${describe(value)}; ${cure}.`);
}
