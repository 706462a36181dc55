import nunjucks from "nunjucks";
import { FILLED_MARK } from "../client-sdk/form-data.ts";
import type { CurrencyFormat } from "../client-sdk/protocol.ts";
import type { Widget } from "../entities/widgets.ts";
import type { FormTexts } from "../rooms/form-texts.ts";
import { type FormLanguage, unitOf } from "../rooms/form-values.ts";
import type { FieldContext } from "../rooms/page-form.ts";
import { escapeHtml } from "./template-filters.ts";

const { SafeString } = nunjucks.runtime;

type Attributes = Readonly<Record<string, string | number | boolean | undefined>>;

/** A field as templates hold it: `{{ form.age }}` writes its input, `{{ form.age.label }}` its label, and so on. */
interface TemplateField {
  readonly name: string;
  readonly id: string;
  readonly label: unknown;
  readonly help_text: string;
  readonly errors: readonly string[];
  readonly data: string;
}

/** One field's HTML. */
export class FieldHtml {
  readonly field: FieldContext;
  readonly #currency: CurrencyFormat;
  readonly #texts: FormTexts;
  readonly #focus: boolean;
  /** A label stands beside the input. */
  #isLabelled = true;

  constructor(field: FieldContext, { currency, texts }: FormLanguage, focus: boolean) {
    this.field = field;
    this.#currency = currency;
    this.#texts = texts;
    this.#focus = focus;
  }

  get id(): string {
    return `id_${this.field.name}`;
  }

  /** Several inputs under one name. */
  get isGroup(): boolean {
    return ["radio", "radioHorizontal", "likert"].includes(this.field.widget.type);
  }

  /** Label, help, input and error. */
  whole(label?: unknown): string {
    const { field } = this;
    if (field.widget.type === "hidden") return this.input() + this.errors();
    this.#isLabelled = label !== "";
    const help =
      field.helpText === undefined
        ? ""
        : tag("div", { class: "form-text", id: `${this.id}-help` }, escapeHtml(field.helpText));
    const classes = `otree-form-field walras-${field.widget.type}${field.error === undefined ? "" : " has-error"}`;
    const inner =
      field.widget.type === "checkbox"
        ? `<div class="form-check">${this.input()} ${this.label(label)}</div>${help}`
        : `${this.label(label)}${help}${this.input()}`;
    return `${tag("div", { class: classes }, inner + this.errors())}\n`;
  }

  label(given?: unknown): string {
    const text = given === undefined || given === null ? escapeHtml(this.field.label) : escapeValue(given);
    if (text === "") return "";
    return this.isGroup
      ? tag("div", { class: "form-label", id: `${this.id}-label` }, text)
      : tag(
          "label",
          { class: this.field.widget.type === "checkbox" ? "form-check-label" : "form-label", for: this.id },
          text,
        );
  }

  errors(): string {
    const { error } = this.field;
    // Also without an error: a page's script may put one there.
    return tag(
      "div",
      { class: "form-control-errors", id: `${this.id}-error` },
      error === undefined ? "" : escapeHtml(error),
    );
  }

  /** The input alone, or the group of them. */
  input(): string {
    const { field } = this;
    const { widget } = field;
    switch (widget.type) {
      case "dropdown":
        return this.#dropdown();
      case "radio":
      case "radioHorizontal":
        return this.#group(
          widget.type === "radio" ? "radio-group" : "radio-group horizontal",
          this.choices().map(({ input, label }) => `<div class="form-check">${input} ${label}</div>`),
        );
      case "likert":
        return this.#likert(widget);
      case "checkbox":
        return tag("input", {
          type: "checkbox",
          class: "form-check-input",
          name: field.name,
          value: "true",
          checked: /^(true|1|on|yes)$/i.test(field.plainValue),
          ...this.#common(),
        });
      case "textarea":
        return tag(
          "textarea",
          { class: "form-control", name: field.name, rows: 5, ...this.#length(), ...this.#common() },
          // The browser drops the first line break.
          `\n${escapeHtml(field.value)}`,
        );
      case "slider":
        return this.#slider(widget);
      case "hidden":
        return tag("input", {
          type: "hidden",
          id: this.id,
          name: field.name,
          value: field.plainValue,
          [FILLED_MARK]: true,
        });
      default:
        return this.#text();
    }
  }

  /** The radio buttons of the field, one by one. */
  choices(): { input: string; label: string; value: string; text: string }[] {
    const { field } = this;
    const chosen = field.choices?.find(({ value }) => value === field.plainValue)?.value;
    return (field.choices ?? []).map(({ value, label }, i) => {
      const id = `${this.id}-${i}`;
      const focus = this.#focus && (chosen === undefined ? i === 0 : value === chosen);
      return {
        input: tag("input", {
          type: "radio",
          class: "form-check-input",
          id,
          name: field.name,
          value,
          checked: value === chosen,
          [FILLED_MARK]: true,
          autofocus: focus,
        }),
        label: tag("label", { class: "form-check-label", for: id }, escapeHtml(label)),
        value,
        text: label,
      };
    });
  }

  /** `{{ form.x }}` and what hangs on it. */
  forTemplate(): unknown {
    const { field } = this;
    const about: TemplateField = {
      name: field.name,
      id: this.id,
      label: Object.assign(safe(this.label()), { text: field.label }),
      help_text: field.helpText ?? "",
      errors: field.error === undefined ? [] : [field.error],
      data: field.plainValue,
    };
    const parts = this.choices().map(({ input, label, value, text }) =>
      Object.assign(safe(input), { label: Object.assign(safe(label), { text }), value }),
    );
    // Looked through by `for`; `form.x.0` is the first of them.
    return Object.assign(safe(this.input()), { ...about, ...parts, [Symbol.iterator]: () => parts.values() });
  }

  #common(): Attributes {
    const { field } = this;
    return {
      id: this.id,
      [FILLED_MARK]: true,
      // Sliders have no such state.
      "aria-required": field.required && field.widget.type !== "slider" ? "true" : undefined,
      // label="" is for the eye.
      "aria-label": this.#isLabelled ? undefined : field.label,
      ...this.#described(),
      autofocus: this.#focus && !this.isGroup,
    };
  }

  #described(): Attributes {
    const { field } = this;
    const ids = [
      field.helpText === undefined ? "" : `${this.id}-help`,
      field.error === undefined ? "" : `${this.id}-error`,
    ].filter((id) => id !== "");
    return {
      "aria-invalid": field.error === undefined ? undefined : "true",
      "aria-describedby": ids.length === 0 ? undefined : ids.join(" "),
    };
  }

  #length(): Attributes {
    return { maxlength: this.field.spec.form?.maxLength };
  }

  #text(): string {
    const { field } = this;
    const { kind } = field.spec;
    const isText = kind === "text" || kind === "longText";
    // Not type=number: its decimal mark depends on the browser's language, and it swallows what it does not like.
    // The keypads of phones have no minus, so that fields which take one get the full keyboard.
    const keypad =
      isText || (field.min !== undefined && field.min < 0)
        ? undefined
        : kind === "integer" || (kind === "currency" && this.#currency.decimals === 0)
          ? "numeric"
          : "decimal";
    const input = tag("input", {
      type: "text",
      class: isText ? "form-control" : "form-control number",
      name: field.name,
      value: field.value,
      inputmode: keypad,
      ...this.#length(),
      ...this.#common(),
    });
    const own = field.spec.form?.unit;
    if (kind !== "currency" && own === undefined) return input;
    const { before, after } = own === undefined ? unitOf(this.#currency) : { before: "", after: own };
    const unit = (text: string) => (text === "" ? "" : tag("span", { class: "input-group-text" }, escapeHtml(text)));
    return tag("div", { class: "input-group currency" }, unit(before) + input + unit(after));
  }

  #dropdown(): string {
    const { field } = this;
    const chosen = field.choices?.find(({ value }) => value === field.plainValue)?.value;
    const options = (field.choices ?? []).map(({ value, label }) =>
      tag("option", { value, selected: value === chosen }, escapeHtml(label)),
    );
    const empty = tag("option", { value: "", selected: chosen === undefined }, escapeHtml(this.#texts.emptyChoice));
    return tag("select", { class: "form-select", name: field.name, ...this.#common() }, empty + options.join(""));
  }

  #group(classes: string, parts: readonly string[]): string {
    const { field } = this;
    return tag(
      "div",
      {
        class: classes,
        id: this.id,
        role: "radiogroup",
        "aria-labelledby": `${this.id}-label`,
        // Where the template leaves the label out.
        "aria-label": field.label,
        "aria-required": field.required ? "true" : undefined,
        ...this.#described(),
      },
      parts.join(""),
    );
  }

  #likert(widget: Extract<Widget, { type: "likert" }>): string {
    const points = this.choices().map(({ input, label }) => `<div class="likert-point">${input}${label}</div>`);
    const { choices = [] } = this.field;
    // Single digits fit side by side on a phone, words do not.
    const isShort = choices.length <= 11 && choices.every(({ label }) => label.length <= 2);
    return this.#group(isShort ? "likert few" : "likert", [
      scaleEnd(widget.low, "low"),
      ...points,
      scaleEnd(widget.high, "high"),
    ]);
  }

  #slider(widget: Extract<Widget, { type: "slider" }>): string {
    const { field } = this;
    const { kind } = field.spec;
    const { min = 0, max = 100 } = field;
    const fine =
      kind === "float" && max - min <= 1 ? 0.01 : kind === "currency" ? 10 ** -Math.min(this.#currency.decimals, 2) : 1;
    const own = field.spec.form?.unit;
    const { before, after } =
      kind === "currency" ? unitOf(this.#currency) : { before: "", after: own === undefined ? "" : ` ${own}` };
    const isSet = field.plainValue !== "" && Number.isFinite(Number(field.plainValue));
    const range = tag("input", {
      type: "range",
      class: "form-range",
      min,
      max,
      step: widget.step ?? fine,
      value: isSet ? field.plainValue : (min + max) / 2,
      "data-for": field.name,
      "data-before": before,
      "data-after": after,
      "data-locale": this.#currency.locale,
      "data-untouched": this.#texts.sliderUntouched,
      "aria-valuetext": isSet ? undefined : this.#texts.sliderUntouched,
      ...this.#common(),
    });
    const ends = `<div class="slider-ends"><span>${escapeHtml(widget.low ?? String(min))}</span><span>${escapeHtml(widget.high ?? String(max))}</span></div>`;
    const shown = isSet ? escapeHtml(field.value) : escapeHtml(this.#texts.sliderUntouched);
    // The range always has a value; what counts is the hidden input, which stays empty until it is touched.
    return tag(
      "div",
      { class: `slider${isSet ? "" : " untouched"}` },
      `<output for="${this.id}">${shown}</output>${range}${ends}${tag("input", { type: "hidden", name: field.name, value: isSet ? field.plainValue : "", [FILLED_MARK]: true })}`,
    );
  }

  /** What makes two Likert fields rows of one table. */
  get scale(): string | undefined {
    const { widget, choices } = this.field;
    if (widget.type !== "likert") return undefined;
    return JSON.stringify([choices?.map(({ label }) => label), widget.low, widget.high]);
  }
}

/** Words beside a scale. */
export function scaleEnd(text: string | undefined, side: "low" | "high"): string {
  return text === undefined ? "" : `<span class="likert-end ${side}">${escapeHtml(text)}</span>`;
}

const VOID = new Set(["input"]);

function tag(name: string, attributes: Attributes, content = ""): string {
  const list = Object.entries(attributes).map(([key, value]) =>
    value === undefined || value === false ? "" : value === true ? ` ${key}` : ` ${key}="${escapeHtml(String(value))}"`,
  );
  return VOID.has(name) ? `<${name}${list.join("")}>` : `<${name}${list.join("")}>${content}</${name}>`;
}

function escapeValue(value: unknown): string {
  return value instanceof SafeString ? String(value) : escapeHtml(String(value));
}

export function safe(html: string) {
  return new SafeString(html);
}
