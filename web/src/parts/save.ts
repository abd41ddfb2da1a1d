/** Saving what the page has made, as a download. */

export function save(content: Blob | string, name: string, type = 'text/plain'): void {
  const blob = typeof content === 'string' ? new Blob([content], { type }) : content;
  const link = document.createElement('a');
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  // The browser has taken it over by then.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/** A name that every file system takes, and every program: none takes it for an option. */
export function fileName(...parts: string[]): string {
  const [name = 'volume', ...rest] = parts;
  return [name.replace(/[^\w.-]+|^-/g, '_') || 'volume', ...rest].join('');
}
