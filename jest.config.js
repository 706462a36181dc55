import { join } from "node:path";

// Servers that tests start begin in half of the time from the second run on; as server/main.js does.
process.env.NODE_COMPILE_CACHE ??= join(import.meta.dirname, "node_modules/.cache/walras");

/** Tests run the TypeScript as it is: swc only strips the types. */
export default {
  testEnvironment: "node",
  extensionsToTreatAsEsm: [".ts"],
  transform: {
    "^.+\\.ts$": [
      "@swc/jest",
      { jsc: { parser: { syntax: "typescript" }, target: "es2024" }, module: { type: "es6" }, sourceMaps: "inline" },
    ],
  },
  testMatch: ["<rootDir>/tests/**/*.test.ts"],
  testSequencer: "<rootDir>/tests/helpers/sequencer.js",
  // Half of the time tests wait, so that three workers fill two cores; every server under test listens on a port of its own.
  maxWorkers: 3,
  testTimeout: 60_000,
};
