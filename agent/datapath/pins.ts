/** Where everything of ours is pinned: `<bpffs>/v<schema>/{maps,links}/<name>`. */
import { existsSync, mkdirSync, readdirSync } from 'node:fs'
import { flSchema } from '../maps/abi.gen.ts'

export interface Pins {
  readonly root: string
  map(name: string): string
  link(name: string): string
}

/** `bpffs`: our directory on a bpffs, without the version. */
export function pinsIn(bpffs: string, schema: number = flSchema.version): Pins {
  const root = `${bpffs}/v${schema}`
  return {
    root,
    map: (name) => `${root}/maps/${name}`,
    link: (name) => `${root}/links/${name}`,
  }
}

export function makePinDirectories(pins: Pins): void {
  mkdirSync(`${pins.root}/maps`, { recursive: true, mode: 0o700 })
  mkdirSync(`${pins.root}/links`, { recursive: true, mode: 0o700 })
}

/** Names pinned in one of the two directories; none if it does not exist. */
export function pinnedNames(directory: string): string[] {
  return existsSync(directory) ? readdirSync(directory).sort() : []
}

/** Version directories of every schema that has pins here. */
export function pinnedSchemas(bpffs: string): number[] {
  return pinnedNames(bpffs)
    .filter((name) => /^v[0-9]+$/.test(name))
    .map((name) => Number(name.slice(1)))
}
