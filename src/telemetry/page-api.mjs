// The JSON API, as the page asks it.

/** What the API answers at a path; a page without the token any more begins anew. */
export async function ask(path) {
  const response = await fetch(`/api/${path}`);
  if (response.status === 401) location.reload();
  if (!response.ok) throw new Error(`${path}: ${response.status}`);
  return response.json();
}
