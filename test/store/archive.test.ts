import { storeContract } from "../contract/store.ts";
import { newArchive } from "./archive-file.ts";

storeContract("archive", newArchive);
