/** Links that lead out of what an agent was given: on reading, on writing, and swapped meanwhile. */
import { testRequests, testWalls } from "./attacked.ts";

testWalls(["read-host-file", "write-host-file", "plant-host-file", "follow-link"]);
testRequests(["ask-read", "ask-write", "ask-read-link", "ask-write-link", "ask-race"]);
