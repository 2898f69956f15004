/**
 * The only loader of the addon. In the image and in a built checkout it lies beside the bundle
 * (`dist/fairlead.node`), else where node-gyp put it. FAIRLEAD_ADDON names another build (ASan).
 */
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type * as types from './binding.d.ts'

type Binding = typeof types

const here = dirname(fileURLToPath(import.meta.url))

function load(): Binding {
  const chosen = process.env['FAIRLEAD_ADDON']
  const places = chosen
    ? [chosen]
    : [join(here, 'fairlead.node'), join(here, '..', 'build', 'Release', 'fairlead.node')]
  const path = places.find((place) => existsSync(place))
  if (path === undefined) {
    throw new Error(`load the addon: none at ${places.join(', ')}; run: node native/build.mjs`)
  }
  return createRequire(import.meta.url)(path) as Binding
}

const binding = load()

export const {
  BpfLink,
  BpfMap,
  BpfObject,
  BpfProgram,
  FileLock,
  NativeError,
  NetWatch,
  RingBuffer,
  bootTimeNs,
  canary,
  destroySockets,
  isBpffs,
  isCgroup2,
  load64,
  membarrier,
  mountBpffs,
  netAddresses,
  netLinks,
  netRoutes,
  netnsCookie,
  probeFeatures,
  store32x2,
  store64,
} = binding

export type BpfLink = types.BpfLink
export type BpfMap = types.BpfMap
export type BpfObject = types.BpfObject
export type BpfProgram = types.BpfProgram
export type FileLock = types.FileLock
export type NativeError = types.NativeError
export type NetWatch = types.NetWatch
export type RingBuffer = types.RingBuffer
export type {
  CgroupHook,
  FeatureProbe,
  Layout,
  LayoutField,
  LinkInfo,
  MapInfo,
  NetAddress,
  NetLink,
  NetRoute,
  ProgramInfo,
} from './binding.d.ts'
