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
  // Two workers fit two cores; every server under test listens on a port of its own.
  maxWorkers: 2,
  testTimeout: 60_000,
};
