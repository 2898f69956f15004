/**
 * Loads the programs over the pinned maps, making those that are missing. Nothing that runs is
 * touched: attach.ts swaps programs afterwards, so a failed load leaves the old ones serving.
 */
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { BpfMap, BpfObject, probeFeatures } from '../../native/index.ts'
import type { BpfProgram, FeatureProbe } from '../../native/index.ts'
import { codeOf } from '../errors.ts'
import { flSocketLb, mapLayouts } from '../maps/abi.gen.ts'
import type { MapName } from '../maps/abi.gen.ts'
import { checkLayout } from '../maps/layout.ts'
import { makePinDirectories } from './pins.ts'
import type { Pins } from './pins.ts'

export type SocketLb = 'all' | 'host' | 'off'

export interface LoadOptions {
  readonly pins: Pins
  readonly socketLb: SocketLb
  /** Remember the VIP of TCP sockets for getpeername (one storage write per connect). */
  readonly rememberPeer: boolean
  /** Entries of maps that are made now; a pinned map keeps its size. */
  readonly sizes: Partial<Readonly<Record<MapName, number>>>
}

export interface Datapath {
  readonly pins: Pins
  readonly features: readonly FeatureProbe[]
  /** Pinned maps whose size is not the one asked for: told in status. */
  readonly resized: readonly string[]
  map(name: MapName): BpfMap
  program(name: string): BpfProgram
  close(): void
}

/** `dist/bpf` beside the bundle, `build/bpf` in a checkout. */
function objectFile(name: string): string {
  const here = fileURLToPath(new URL('.', import.meta.url))
  const candidates = [`${here}bpf/${name}.o`, `${here}../../build/bpf/${name}.o`]
  const found = candidates.find((file) => existsSync(file))
  if (found === undefined) {
    throw new Error(`load ${name}.o: not in ${candidates.join(' nor ')}: run \`npm run build\``)
  }
  return found
}

const mapNames = Object.keys(mapLayouts) as MapName[]

const socketLbValues: Readonly<Record<SocketLb, number>> = {
  all: flSocketLb.all,
  host: flSocketLb.host,
  off: flSocketLb.off,
}

function setKnobs(
  object: BpfObject,
  options: LoadOptions,
  features: readonly FeatureProbe[],
): void {
  const has = (name: string): boolean => features.some((f) => f.name === name && f.available)
  object.setKnob('socket_lb', Uint8Array.of(socketLbValues[options.socketLb]))
  object.setKnob('has_set_retval', Uint8Array.of(has('set_retval') ? 1 : 0))
  object.setKnob('remember_peer', Uint8Array.of(options.rememberPeer ? 1 : 0))
}

/** Pinned maps are used again; their contents are what serves while the agent is away. */
function reuseOrSize(
  object: BpfObject,
  options: LoadOptions,
  reused: Map<string, BpfMap>,
): string[] {
  const resized: string[] = []
  for (const name of mapNames) {
    const size = options.sizes[name]
    const pin = options.pins.map(name)
    if (!existsSync(pin)) {
      if (size !== undefined) object.setMaxEntries(name, size)
      continue
    }
    const map = BpfMap.open(pin)
    reused.set(name, map)
    const { maxEntries } = map.info()
    if (size !== undefined && maxEntries !== size) {
      resized.push(`${name}: ${maxEntries} entries are pinned, ${size} are asked for`)
    }
    checkLayout(name, map.layouts())
    // Socket storage has no size, and libbpf compares what has one with the pinned map's.
    if (maxEntries > 0) object.setMaxEntries(name, maxEntries)
    object.reuseMap(name, map)
  }
  return resized
}

/**
 * The verifier gives up when a signal comes, and libbpf's own attempts may all meet one of a
 * profiler's. One every 10 ms is still too many, one every 50 ms is not (--cpu-prof-interval).
 */
const loadAttempts = 5

/** Throws with the verifier's text if the kernel refuses; then nothing was changed or pinned. */
export function loadDatapath(options: LoadOptions): Datapath {
  const features = probeFeatures()
  for (let attempt = 1; ; attempt++) {
    try {
      return loadOnce(options, features)
    } catch (error) {
      if (attempt === loadAttempts || codeOf(error) !== 'EAGAIN') throw error
    }
  }
}

/** An object that failed to load can't be loaded again, so each attempt opens its own. */
function loadOnce(options: LoadOptions, features: readonly FeatureProbe[]): Datapath {
  const object = new BpfObject(readFileSync(objectFile('sock')), 'sock')
  const maps = new Map<string, BpfMap>()
  const programs = new Map<string, BpfProgram>()
  try {
    setKnobs(object, options, features)
    const resized = reuseOrSize(object, options, maps)
    object.load()
    makePinDirectories(options.pins)
    for (const name of mapNames) {
      if (maps.has(name)) continue
      const map = object.map(name)
      maps.set(name, map)
      checkLayout(name, map.layouts())
      map.pin(options.pins.map(name))
    }
    for (const name of object.programNames()) programs.set(name, object.program(name))
    return datapathOf(options.pins, features, resized, maps, programs)
  } catch (error) {
    for (const handle of [...maps.values(), ...programs.values()]) handle.close()
    throw error
  } finally {
    object.close()
  }
}

function datapathOf(
  pins: Pins,
  features: readonly FeatureProbe[],
  resized: readonly string[],
  maps: ReadonlyMap<string, BpfMap>,
  programs: ReadonlyMap<string, BpfProgram>,
): Datapath {
  return {
    pins,
    features,
    resized,
    map: (name) => existing(maps, name),
    program: (name) => existing(programs, name),
    close: () => {
      for (const handle of [...maps.values(), ...programs.values()]) handle.close()
    },
  }
}

function existing<T>(handles: ReadonlyMap<string, T>, name: string): T {
  const handle = handles.get(name)
  if (handle === undefined) throw new Error(`no ${name} in sock.o: run \`npm run build\``)
  return handle
}
