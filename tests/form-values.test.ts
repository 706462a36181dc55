import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import type { CurrencyFormat } from "../client-sdk/protocol.ts";
import type { FieldSpec } from "../entities/app-spec.ts";
import { type Field, fieldSpec } from "../entities/fields.ts";
import { boolean, checkbox, currency, float, integer, json, likert, longText, text, timestamp } from "../index.ts";
import { FORM_TEXTS } from "../rooms/form-texts.ts";
import { emptyValue, readAnswer, showValue } from "../rooms/form-values.ts";
import { readNumber } from "../rooms/number-input.ts";

const EURO: CurrencyFormat = { locale: "de", code: "EUR", decimals: 2, points: ["point", "points"] };
const POINTS: CurrencyFormat = { locale: "en", code: null, decimals: 0, points: ["point", "points"] };

function spec(field: Field<unknown>): FieldSpec {
  return fieldSpec(field, "app: Player.x");
}

/** The value, or the error in braces. */
function read(field: Field<unknown>, posted: string | undefined, format: CurrencyFormat = POINTS): unknown {
  const one = spec(field);
  const { min, max, choices } = one;
  const widget = one.form?.widget ?? { type: "input" as const };
  const answered = readAnswer({ spec: one, min, max, choices, widget }, posted, {
    texts: FORM_TEXTS,
    currency: format,
  });
  return "value" in answered ? answered.value : { error: answered.error };
}

describe("a number is read as it was meant", () => {
  test.each([
    ["3,5", "en", 3.5],
    ["3.5", "de", 3.5],
    ["-3", "en", -3],
    ["\u2212 3", "en", -3],
    [",5", "en", 0.5],
    ["5.", "en", 5],
    ["0,500", "en", 0.5],
    ["1.500", "en", 1.5],
    ["1,500", "de", 1.5],
    ["1,234.5", "en", 1234.5],
    ["1.234,5", "en", 1234.5],
    ["1,234,567", "de", 1234567],
    ["1 234 567,8", "fr", 1234567.8],
    ["1\u202f234", "fr", 1234],
    ["1’000.5", "de-CH", 1000.5],
    ["٣٫٥", "ar", 3.5],
    ["۱۲", "fa", 12],
    ["１２", "ja", 12],
    ["1e-7", "en", 1e-7],
  ])("%s in %s", (typed, locale, value) => {
    expect(readNumber(typed, locale, "currency")).toEqual({ value });
  });

  test("what could be read in two ways is refused, not guessed", () => {
    expect(readNumber("1,500", "en", "currency")).toEqual({ problem: "ambiguous" });
    expect(readNumber("1.500", "de", "currency")).toEqual({ problem: "ambiguous" });
    expect(readNumber("1.500", "en", "integer")).toEqual({ problem: "ambiguous" });
    // Not where nothing else can be meant: no fraction, or a number from a script.
    expect(readNumber("1,500", "en", "integer")).toEqual({ value: 1500 });
    expect(readNumber("1.500", "de", "float")).toEqual({ value: 1.5 });
  });

  test.each(["", ".", "-", "abc", "1.2.3", "1,23,4", "0x10", "Infinity", "NaN", "1e999", "12 34", "1-2", "--1", "٣x"])(
    "%j is no number",
    (typed) => {
      expect(readNumber(typed, "en", "float")).toEqual({ problem: "not_a_number" });
    },
  );

  test("every number that a script or a form writes comes back as itself", () => {
    fc.assert(
      fc.property(
        fc.double({ noNaN: true, noDefaultInfinity: true }),
        fc.constantFrom("en", "de", "fr"),
        (n, locale) => {
          expect(readNumber(String(n), locale, "float")).toEqual({ value: n + 0 });
          const format = { ...POINTS, locale };
          expect(readNumber(showValue(spec(float()), n, format, true), locale, "float")).toEqual({ value: n + 0 });
        },
      ),
    );
  });

  test("any text at all is read or refused, quickly", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 200 }), (typed) => {
        const answer = read(float(), typed);
        expect(typeof answer === "number" || typeof (answer as { error: string }).error === "string").toBe(true);
      }),
    );
  });
});

describe("an answer is checked by its field's kind", () => {
  test("an integer takes whole numbers, and says what is expected otherwise", () => {
    expect(read(integer(), " 12 ")).toBe(12);
    expect(read(integer(), "12,0")).toBe(12);
    expect(read(integer(), "12.4")).toEqual({ error: "Please enter a whole number, such as 12." });
    expect(read(integer(), "twelve")).toEqual({ error: "Please enter a whole number, such as 12." });
    expect(read(integer(), "9007199254740993")).toEqual({ error: "This number is too large." });
  });

  test("a float says which decimal mark is meant, and takes both", () => {
    expect(read(float(), "1,72", EURO)).toBe(1.72);
    expect(read(float(), "1.72", EURO)).toBe(1.72);
    expect(read(float(), "x", EURO)).toEqual({ error: "Please enter a number, such as 12,5." });
    expect(read(float(), "x")).toEqual({ error: "Please enter a number, such as 12.5." });
  });

  test("a number may carry the unit that its field has", () => {
    expect(read(float({ unit: "kg" }), "1,5 KG", EURO)).toBe(1.5);
    expect(read(integer({ unit: "years" }), "30years")).toBe(30);
    expect(read(integer({ unit: "years" }), "30 kg")).toEqual({ error: "Please enter a whole number, such as 12." });
  });

  test("a currency is rounded to the session's decimals before its limits are checked, and may carry its unit", () => {
    expect(read(currency(), "3,456", { ...EURO, locale: "de" })).toBe(3.46);
    expect(read(currency({ max: 10 }), "10,004", EURO)).toBe(10);
    expect(read(currency(), "5 €", EURO)).toBe(5);
    expect(read(currency(), "EUR 5", EURO)).toBe(5);
    expect(read(currency(), "5 points")).toBe(5);
    expect(read(currency(), "1.500", EURO)).toEqual({
      error: "Please write the number without a mark between thousands: 1500 or 1,5?",
    });
    expect(read(currency(), "1e300")).toEqual({ error: "This number is too large." });
  });

  test("min and max are named as the participant writes numbers", () => {
    expect(read(integer({ min: 0, max: 9 }), "10")).toEqual({ error: "Value must be between 0 and 9." });
    expect(read(float({ min: 0.5 }), "0", EURO)).toEqual({ error: "Value must be at least 0,5." });
    expect(read(currency({ max: 3.5 }), "4", EURO)).toEqual({ error: "Value must be at most 3,50\u00a0€." });
  });

  test("a boolean takes what radio buttons and boxes post; a box that is not ticked is false", () => {
    for (const yes of ["true", "True", "1", "on", "yes"]) expect(read(boolean(), yes)).toBe(true);
    for (const no of ["false", "False", "0", "off", "no"]) expect(read(boolean(), no)).toBe(false);
    expect(read(boolean(), "perhaps")).toEqual({ error: "This answer cannot be read." });
    expect(read(boolean(), undefined)).toEqual({ error: "This field is required." });
    expect(read(boolean({ widget: checkbox() }), undefined)).toBe(false);
  });

  test("a text is trimmed at its ends, a long text keeps its lines; both have limits", () => {
    expect(read(text(), "  Ann  ")).toBe("Ann");
    expect(read(longText(), " a\r\nb\n")).toBe(" a\nb\n");
    expect(read(text({ maxLength: 3 }), "abcd")).toEqual({
      error: "Please shorten the text to 3 characters; it has 4.",
    });
    expect(read(text(), "x".repeat(10_001))).toHaveProperty("error");
    expect(read(longText(), "x".repeat(10_001))).toHaveLength(10_001);
    expect(read(text(), "a\0b")).toHaveProperty("error");
  });

  test("json and timestamps take what a page's script posts", () => {
    expect(read(json(), '{"x":[1,null]}')).toEqual({ x: [1, null] });
    for (const bad of ["{", "null", '"\\u0000"', '{"__proto__":1}']) expect(read(json(), bad)).toHaveProperty("error");
    expect(read(timestamp(), "1700000000000")).toBe(1_700_000_000_000);
    expect(read(timestamp(), "now")).toHaveProperty("error");
  });

  test("only what the form offers is taken", () => {
    const colours = text({ choices: ["red", ["b", "Blue"], " odd "] });
    expect(read(colours, "b")).toBe("b");
    expect(read(colours, " odd ")).toBe(" odd ");
    for (const wrong of ["Blue", "green", "toString"]) {
      expect(read(colours, wrong)).toEqual({ error: "Please choose one of the answers." });
    }
    expect(read(currency({ choices: [0.5, 1] }), "0.50", EURO)).toBe(0.5);
    expect(read(integer({ choices: [1, 2] }), "3")).toEqual({ error: "Please choose one of the answers." });
    expect(read(integer({ choices: [1, 2] }), "x")).toEqual({ error: "Please choose one of the answers." });
    expect(read(integer({ widget: likert({ points: 5 }) }), "6")).toEqual({
      error: "Please choose one of the answers.",
    });
    expect(read(integer({ widget: likert({ labels: ["no", "yes"] }) }), "2")).toBe(2);
  });

  test("nothing is refused unless the field may stay blank; blanks count as nothing", () => {
    for (const posted of [undefined, "", "   "]) {
      for (const field of [integer(), float(), currency(), text(), longText(), json()]) {
        expect(read(field, posted)).toEqual({ error: "This field is required." });
      }
      for (const field of [integer({ blank: true }), text({ blank: true }), longText({ blank: true })]) {
        expect(read(field, posted)).toBeNull();
      }
    }
  });
});

test("the empty value of a field is its kind's zero, where the field allows it", () => {
  const empty = (field: Field<unknown>) => emptyValue(spec(field), undefined);
  expect([integer(), float(), currency(), boolean(), text(), longText()].map(empty)).toEqual([0, 0, 0, false, "", ""]);
  expect(empty(integer({ blank: true }))).toBeNull();
  expect([integer({ min: 1 }), text({ choices: ["a"] }), json()].map(empty)).toEqual([undefined, undefined, undefined]);
});
