import { defineConfig } from "walras";

export default defineConfig({
  sessionConfigs: [
    {
      name: "hello",
      displayName: "Hello",
      appSequence: ["hello"],
      numDemoParticipants: 3,
      completionLink: "https://app.example.org/complete?cc=C1&id={label}&who={code}",
      completionCode: "C1-2026",
    },
    {
      name: "screening",
      appSequence: ["hello"],
      numDemoParticipants: 3,
      labelled: true,
      completionLink: { default: "https://app.example.org/?cc=C1", screenedOut: "https://app.example.org/?cc=C2" },
      completionCode: { screenedOut: "C2" },
    },
    {
      name: "pairing",
      appSequence: ["pair"],
      numDemoParticipants: 2,
      completionLink: { default: "https://app.example.org/?cc=C1", timedOut: "https://app.example.org/?cc=C3" },
      completionCode: "thanks",
    },
  ],
  labs: [
    { name: "open", displayName: "Open lab" },
    { name: "list", labelFile: "labels.txt" },
    { name: "safe", labelFile: "labels.txt", secureUrls: true },
  ],
});
