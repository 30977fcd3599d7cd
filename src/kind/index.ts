export { kindDown } from "./down.ts";
export { DEFAULT_KUBERNETES } from "./image.ts";
export type { KindOptions } from "./options.ts";
export { type Recipe, recipe, recipeEnd, recipes } from "./recipe.ts";
export { kindHas } from "./state.ts";
export { type KindStatus, kindStatus } from "./status.ts";
export { type KindCluster, kindUp, kindUpScript } from "./up.ts";
