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
  ],
  labs: [
    { name: "open", displayName: "Open lab" },
    { name: "list", labelFile: "labels.txt" },
    { name: "safe", labelFile: "labels.txt", secureUrls: true },
  ],
});
