/** txtar: text, then files behind lines `-- name --`. What scenario files are written in. */

export interface Txtar {
  /** Everything before the first file. */
  readonly comment: string
  readonly files: ReadonlyMap<string, string>
}

const marker = /^-- (\S+) --$/

export function parseTxtar(text: string): Txtar {
  const files = new Map<string, string>()
  let comment = ''
  let name: string | undefined
  for (const line of text.split(/(?<=\n)/)) {
    const found = marker.exec(line.trimEnd())?.[1]
    if (found !== undefined) files.set((name = found), '')
    else if (name === undefined) comment += line
    else files.set(name, (files.get(name) ?? '') + line)
  }
  return { comment, files }
}

export function formatTxtar({ comment, files }: Txtar): string {
  return comment + [...files].map(([name, text]) => `-- ${name} --\n${text}`).join('')
}
