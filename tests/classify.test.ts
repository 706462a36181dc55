import { expect, test } from "@jest/globals";
import { WalrasError } from "../client-sdk/errors.ts";
import { classify, type Failure } from "../entities/classify.ts";

const coded = (code: string) => Object.assign(new Error(code), { code });

test.each<[string, Failure]>([
  ["SQLITE_FULL", "io"],
  ["SQLITE_BUSY", "io"],
  ["SQLITE_BUSY_SNAPSHOT", "io"],
  ["SQLITE_READONLY_DBMOVED", "io"],
  ["SQLITE_IOERR_WRITE", "io"],
  ["SQLITE_CANTOPEN", "io"],
  ["SQLITE_CORRUPT", "io"],
  ["SQLITE_CONSTRAINT_NOTNULL", "data"],
  ["SQLITE_MISMATCH", "data"],
  ["SQLITE_TOOBIG", "data"],
  ["SQLITE_ERROR", "data"],
  ["22003", "data"],
  ["22021", "data"],
  ["23502", "data"],
  ["54000", "data"],
  ["42703", "data"],
  ["53100", "io"],
  ["53300", "io"],
  ["57P01", "io"],
  ["57014", "io"],
  ["58030", "io"],
  ["08006", "io"],
  ["25006", "io"],
  ["ECONNRESET", "io"],
  ["ECONNREFUSED", "io"],
  ["EPIPE", "io"],
  ["40001", "retry"],
  ["40P01", "retry"],
])("%s in a statement is %s", (code, failure) => {
  expect(classify(coded(code), "statement")).toBe(failure);
});

test.each<[string, Failure]>([
  ["SQLITE_FULL", "unknown"],
  ["SQLITE_IOERR_FSYNC", "unknown"],
  ["SQLITE_BUSY", "io"],
  ["SQLITE_CONSTRAINT_FOREIGNKEY", "data"],
  ["23505", "data"],
  ["25P02", "unknown"],
  ["25P03", "unknown"],
  ["40001", "retry"],
  ["53100", "unknown"],
  ["57P01", "unknown"],
  ["08006", "unknown"],
  ["ECONNRESET", "unknown"],
])("%s after COMMIT was sent is %s", (code, failure) => {
  expect(classify(coded(code), "commit")).toBe(failure);
});

test("what cannot be bound is data", () => {
  expect(classify(new TypeError("SQLite3 can only bind ..."), "statement")).toBe("data");
  expect(classify(new WalrasError("bad_value", "1.5 is no integer"), "statement")).toBe("data");
});

test.each([
  new Error("Connection terminated unexpectedly"),
  new Error("Query read timeout"),
  new Error("something nobody has thought of"),
  "thrown text",
])("%s is io before COMMIT and unknown after it", (error) => {
  expect(classify(error, "begin")).toBe("io");
  expect(classify(error, "statement")).toBe("io");
  expect(classify(error, "commit")).toBe("unknown");
});

test("before the first statement nothing can be about a value", () => {
  expect(classify(coded("28P01"), "begin")).toBe("io");
  expect(classify(coded("SQLITE_ERROR"), "begin")).toBe("io");
  expect(classify(new TypeError("oops"), "begin")).toBe("io");
});
