/** Readers of flag values. Each throws BadValue with what is wrong with the text. */
import { isAbsolute, normalize } from 'node:path'
import { parseAddress } from './model/address.ts'
import { parseCidr } from './model/cidr.ts'

/** `message` completes "--flag: ". */
export class BadValue extends Error {}

export type Reader<T> = (text: string) => T

export function oneOf<T extends string>(...words: readonly T[]): Reader<T> {
  return (text) => {
    const found = words.find((word) => word === text)
    if (found === undefined) throw new BadValue(`'${text}' is none of ${words.join(', ')}`)
    return found
  }
}

/** Whole numbers from `least` to `most`. */
export function integer(least: number, most: number): Reader<number> {
  return (text) => {
    const value = /^[0-9]{1,15}$/.test(text) ? Number(text) : Number.NaN
    if (value >= least && value <= most) return value
    throw new BadValue(`'${text}' is no whole number from ${least} to ${most}`)
  }
}

const unit_ms: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
}

/** Go's durations: `24h`, `1h30m`, `1.5s`, `0`. In ms. */
export const duration: Reader<number> = (text) => {
  if (text === '0') return 0
  const part = /([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|µs|ms|s|m|h)/g
  if (!new RegExp(`^(?:${part.source})+$`).test(text)) {
    throw new BadValue(`'${text}' is no duration such as 24h, 1h30m or 30s`)
  }
  let total = 0
  for (const [, amount, unit] of text.matchAll(part)) {
    total += Number(amount) * (unit_ms[unit ?? ''] ?? 0)
  }
  return total
}

export const path: Reader<string> = (text) => {
  if (!isAbsolute(text) || text.includes('\0')) throw new BadValue(`'${text}' is no absolute path`)
  const clean = normalize(text)
  return clean.length > 1 && clean.endsWith('/') ? clean.slice(0, -1) : clean
}

export const anyPath: Reader<string> = (text) => {
  if (text === '' || text.includes('\0')) throw new BadValue('needs a path')
  return text
}

export const nodeName: Reader<string> = (text) => {
  const name = text.trim().toLowerCase()
  const isName = /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/.test(name) && name.length <= 253
  if (!isName) throw new BadValue(`'${text}' is no name that a Node can have`)
  return name
}

/** Where to listen. `host` is an address. */
export interface Listen {
  readonly host: string
  readonly port: number
}

/** `127.0.0.1:10249`, `[::]:10256`, `:10256`, an address alone; undefined for '' and '0': off. */
export function listen(defaultPort: number): Reader<Listen | undefined> {
  return (text) => {
    if (text === '' || text === '0') return undefined
    const isAlone = parseAddress(text) !== undefined
    const at = isAlone ? -1 : text.lastIndexOf(':')
    const host = (at < 0 ? text : text.slice(0, at)).replace(/^\[(.*)\]$/, '$1')
    const portText = at < 0 ? String(defaultPort) : text.slice(at + 1)
    if (host !== '' && parseAddress(host) === undefined) {
      throw new BadValue(`'${text}' is no address:port, and neither 0 nor empty (off)`)
    }
    return { host: host === '' ? '0.0.0.0' : host, port: integer(1, 65535)(portText) }
  }
}

const split = (text: string): string[] =>
  text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')

/** Ranges of addresses, comma-separated; '' is none. */
export const cidrs: Reader<readonly string[]> = (text) => {
  const ranges = split(text)
  const bad = ranges.filter((range) => parseCidr(range) === undefined)
  if (bad.length > 0) throw new BadValue(`'${bad.join("', '")}': no range such as 10.0.0.0/8`)
  return ranges
}

export type NodePortAddresses = 'primary' | 'localhost' | 'all' | readonly string[]

/** kube-proxy's: ranges, or one of its keywords alone. */
export const nodePortAddresses: Reader<NodePortAddresses> = (text) => {
  if (text === 'primary' || text === 'localhost' || text === 'all') return text
  const ranges = cidrs(text)
  if (ranges.length === 0) throw new BadValue('needs ranges, or primary, localhost or all')
  return ranges
}

/** `https://host:port`, without credentials, path or query. */
export const serverUrl: Reader<string> = (text) => {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || (url.protocol !== 'https:' && url.protocol !== 'http:')) {
    throw new BadValue(`'${text}' is no https://host:port`)
  }
  // Not repeated in the message: it may be a password.
  if (url.username !== '' || url.password !== '') {
    throw new BadValue('credentials belong in a kubeconfig, not in a URL')
  }
  if (url.search !== '' || url.hash !== '') throw new BadValue(`'${text}' has a query or fragment`)
  return url.href.replace(/\/$/, '')
}
