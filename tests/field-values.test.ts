import { expect, test } from "@jest/globals";
import fc from "fast-check";
import type { FieldSpec } from "../entities/app-spec.ts";
import { checkValue, fieldSpec, roundCurrency } from "../entities/fields.ts";
import { boolean, currency, type Field, float, integer, json, longText, text, timestamp } from "../index.ts";
import { refused } from "./helpers/refused.ts";

function spec(field: Field<unknown>): FieldSpec {
  return fieldSpec(field, "auction: Player.field");
}

function set(field: Field<unknown>, value: unknown, decimals = 2) {
  return checkValue(spec(field), value, "auction: Player.field", decimals);
}

test("values that fit are kept as memory holds them", () => {
  expect(set(integer(), -3)).toBe(-3);
  expect(set(integer(), Number.MAX_SAFE_INTEGER)).toBe(Number.MAX_SAFE_INTEGER);
  expect(set(integer(), -0)).toBe(0);
  expect(set(float(), 0.1)).toBe(0.1);
  expect(set(boolean(), false)).toBe(false);
  expect(set(text(), "ünï 👍")).toBe("ünï 👍");
  expect(set(longText(), "x".repeat(10_001))).toHaveLength(10_001);
  expect(set(currency(), 1.005)).toBe(1.01);
  expect(set(currency(), 1.5, 0)).toBe(2);
  expect(set(timestamp(), 1_750_000_000_000)).toBe(1_750_000_000_000);
  expect(set(json(), { a: [1, null, "x"] })).toBe('{"a":[1,null,"x"]}');
  expect(set(integer({ blank: true }), null)).toBeNull();
  expect(set(json({ blank: true }), null)).toBeNull();
  expect(set(text({ choices: ["a", ["b", "Bee"]] }), "b")).toBe("b");
});

test("currency is compared with its limits and choices after rounding", () => {
  expect(set(currency({ max: 10 }), 10.004)).toBe(10);
  expect(set(currency({ min: 0.5, max: 2.5 }), 0.5, 0)).toBe(1);
  expect(set(currency({ choices: [0.1, 0.3] }), 0.1 + 0.2)).toBe(0.3);
  expect(refused(() => set(currency({ max: 10 }), 10.005)).code).toBe("out_of_range");
});

const UNFIT: [kind: string, field: Field<unknown>, value: unknown, code: string, ...words: string[]][] = [
  ["integer", integer(), "12", "wrong_type", '"12" (a string)', "an integer field", "Number(...)"],
  ["integer", integer(), 1.5, "wrong_type", "1.5 (a number)", "Math.round"],
  ["integer", integer(), 2 ** 53, "wrong_type", "9007199254740992", "text field"],
  ["integer", integer(), Number.NaN, "wrong_type", "NaN", "isFinite"],
  ["integer", integer(), true, "wrong_type", "true (a boolean)", "boolean field"],
  ["integer", integer(), 5n, "wrong_type", "5n (a BigInt)", "Number(...)"],
  ["integer", integer(), undefined, "wrong_type", "undefined", "exists"],
  ["integer", integer(), null, "null_not_allowed", "null", "blank: true"],
  ["float", float(), Number.POSITIVE_INFINITY, "wrong_type", "Infinity", "isFinite"],
  ["float", float(), [1], "wrong_type", "an array", "number"],
  ["currency", currency(), "12", "wrong_type", '"12" (a string)', "a currency field and takes a number", "Number(...)"],
  ["boolean", boolean(), 1, "wrong_type", "1 (a number)", "true or false", "Compare"],
  ["boolean", boolean({ choices: [true] }), false, "not_a_choice", "false", "true"],
  ["text", text(), 3, "wrong_type", "3 (a number)", "a string", "String(...)"],
  ["text", text(), { a: 1 }, "wrong_type", "an object", "json field"],
  ["text", text(), "x".repeat(10_001), "too_long", "10001", "10000", "longText()"],
  ["text", text(), "a\0b", "not_storable", "NUL", "replaceAll"],
  ["longText", longText(), "\ud800", "not_storable", "surrogate", "toWellFormed"],
  ["text", text({ choices: ["a"] }), "b", "not_a_choice", '"b"', '"a"'],
  ["json", json(), undefined, "wrong_type", "undefined"],
  ["json", json(), { a: [() => 1] }, "not_json", "Player.field.a[0]", "function"],
  ["json", json(), null, "null_not_allowed", "blank: true"],
  ["timestamp", timestamp(), new Date(0), "wrong_type", "a Date", ".getTime()"],
  ["timestamp", timestamp(), 0.5, "wrong_type", "0.5", "now()"],
  ["timestamp", timestamp({ min: 5 }), 4, "out_of_range", "4", "min 5"],
];

test.each(UNFIT)("a %s field says what is wrong with a value: %#", (_kind, field, value, code, ...words) => {
  const error = refused(() => set(field, value));
  expect(error.code).toBe(code);
  for (const word of ["auction: Player.field", ...words]) expect(error.message).toContain(word);
});

test("the cures for text that cannot be stored work", () => {
  const cured = "a\0b\ud800".toWellFormed().replaceAll("\0", "");
  expect(set(longText(), cured)).toBe("ab\ufffd");
});

test("amounts are rounded half away from zero, as their decimal text says", () => {
  const cases: [value: number, decimals: number, rounded: number][] = [
    [1.005, 2, 1.01],
    [-1.005, 2, -1.01],
    [1.004999, 2, 1],
    [8.345, 2, 8.35],
    [10.235, 2, 10.24],
    [0.5, 0, 1],
    [-0.5, 0, -1],
    [2.5, 0, 3],
    [0.1 + 0.2, 2, 0.3],
    [1e21, 2, 1e21],
    [1.5e-7, 7, 2e-7],
    [5e-324, 2, 0],
    [9.995, 2, 10],
    [Number("22517998136852.483"), 2, 22517998136852.48],
    [1.23456, Number.POSITIVE_INFINITY, 1.23456],
  ];
  for (const [value, decimals, rounded] of cases) expect(roundCurrency(value, decimals)).toBe(rounded);
  expect(roundCurrency(-0.001, 2)).toBe(0);
  expect(roundCurrency(-0, 2)).toBe(0);
});

test("rounding of any decimal is exact, and rounding twice changes nothing", () => {
  fc.assert(
    fc.property(
      fc.bigInt({ min: -(10n ** 12n), max: 10n ** 12n }),
      fc.integer({ min: 0, max: 6 }),
      fc.integer({ min: 0, max: 6 }),
      (digits, scale, decimals) => {
        const value = Number(`${digits}e-${scale}`);
        // The same by whole-number arithmetic on the decimal itself.
        const cut = 10n ** BigInt(Math.max(0, scale - decimals));
        const size = digits < 0n ? -digits : digits;
        const rounded = ((size + (cut > 1n ? cut / 2n : 0n)) / cut) * (digits < 0n ? -1n : 1n);
        const expected = Number(`${rounded}e-${Math.min(scale, decimals)}`) + 0;
        expect(roundCurrency(value, decimals)).toBe(expected);
      },
    ),
  );
  fc.assert(
    fc.property(
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      fc.integer({ min: 0, max: 10 }),
      (value, decimals) => {
        const once = roundCurrency(value, decimals);
        expect(roundCurrency(once, decimals)).toBe(once);
        expect(roundCurrency(-value, decimals)).toBe(-once + 0);
        // Off by half a unit at most, but for what a double of this size cannot tell apart.
        const half = 0.5 * 10 ** -decimals;
        expect(Math.abs(once - value)).toBeLessThanOrEqual(half + Math.abs(value) * 2 * Number.EPSILON);
      },
    ),
  );
});

test("a JSON field keeps any JSON value that databases can keep", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      fc.pre(value !== null && !/\\u0000|"__proto__"/.test(JSON.stringify(value)));
      expect(JSON.parse(set(json(), value) as string)).toEqual(JSON.parse(JSON.stringify(value)));
    }),
  );
});
