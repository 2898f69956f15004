/** What the kernel can do, with all privileges and with those of the DaemonSet. */
import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { bootTimeNs, membarrier, netnsCookie, probeFeatures } from '../../native/index.ts'
import type { FeatureProbe } from '../../native/index.ts'
import { missing, requires } from '../support/requires.ts'
import { makeBpffs } from './fixture.ts'

const names = [
  'mmapable',
  'batch',
  'cgroup_link',
  'netns_cookie',
  'getpeername',
  'ringbuf',
  'sk_storage',
  'membarrier',
  'sock_destroy',
  'so_netns_cookie',
  'set_retval',
  'tcx',
]

/** [major, minor] of the running kernel and of a feature. */
function isKernelSince(since: string): boolean {
  const release = execFileSync('uname', ['-r'], { encoding: 'utf8' })
  const [major = 0, minor = 0] = release.split('.').map(Number)
  const [sinceMajor = 0, sinceMinor = 0] = since.split('.').map(Number)
  return major > sinceMajor || (major === sinceMajor && minor >= sinceMinor)
}

test('the clock of the programs is the kernel’s boot time', () => {
  const uptime_s = Number(execFileSync('cut', ['-d ', '-f1', '/proc/uptime'], { encoding: 'utf8' }))
  const now = bootTimeNs()
  expect(Math.abs(Number(now) / 1e9 - uptime_s)).toBeLessThan(2)
  expect(bootTimeNs()).toBeGreaterThan(now)
})

test('a barrier resolves without holding JavaScript up, many at once too', async () => {
  const started = performance.now()
  const barriers = Array.from({ length: 4 }, () => membarrier())
  expect(performance.now() - started).toBeLessThan(10)
  expect(await Promise.all(barriers)).toEqual([undefined, undefined, undefined, undefined])
})

test('the namespace has a cookie', () => {
  expect(netnsCookie()).toBeGreaterThan(0n)
  expect(netnsCookie()).toBe(netnsCookie())
})

requires('root', 'bpf')('probes', () => {
  test('find on a new kernel all there is, and each gives its reason otherwise', () => {
    const probes = probeFeatures()
    expect(probes.map((probe) => probe.name).sort()).toEqual([...names].sort())
    for (const probe of probes) {
      expect(probe.available).toBe(probe.why === '')
      if (isKernelSince(probe.since)) expect(probe).toMatchObject({ available: true, why: '' })
    }
  })

  test('say what is missing without privileges instead of failing', () => {
    const probes = JSON.parse(withCapabilities('none', 'features')) as FeatureProbe[]
    const tcx = probes.find((probe) => probe.name === 'tcx')
    expect(tcx).toMatchObject({ available: false })
    expect(tcx?.why).toContain('EPERM')
    expect(probes.find((probe) => probe.name === 'membarrier')?.available).toBe(true)
  })

  test('the DaemonSet’s three capabilities are enough to load, pin, open again and read layouts', () => {
    const bpffs = makeBpffs()
    try {
      const seen = JSON.parse(withCapabilities('agent', 'life', bpffs.path)) as object
      expect(seen).toEqual({
        missing: [],
        fresh: 'pair_key',
        reopened: null, // asking by id is CAP_SYS_ADMIN's; the sizes were compared
        reused: 7,
      })
    } finally {
      bpffs.close()
    }
  })
})

/** least.ts with the DaemonSet's capabilities or none; its stdout. */
function withCapabilities(which: 'agent' | 'none', ...words: string[]): string {
  const lacking = missing('netns') // setpriv
  if (lacking.length > 0) throw new Error(`needs ${lacking.join(', ')}`)
  const bounds = which === 'agent' ? '-all,+bpf,+net_admin,+perfmon' : '-all'
  const script = fileURLToPath(new URL('least.ts', import.meta.url))
  const argv = [`--bounding-set=${bounds}`, '--', process.execPath, '--import', 'tsx', script]
  return execFileSync('setpriv', [...argv, ...words], { encoding: 'utf8', timeout: 20_000 })
}
