/** The Services of a benchmark, as manifests for the agent and as rules for its peer. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

export interface BenchService {
  readonly name: string
  readonly vip: string
  /** Addresses; every one serves on `backendPort`. */
  readonly endpoints: readonly string[]
}

export const frontendPort = 80
export const backendPort = 8080
export const targetsN = 16

/** 10.96.1.0 and on. */
function vipOf(i: number): string {
  return `10.96.${1 + (i >> 8)}.${i & 255}`
}

/** Nobody answers there and nobody dials it. */
function fillerOf(i: number): string {
  return `10.64.${i >> 8}.${i & 255}`
}

/**
 * `n` Services; 16 of them, spread evenly, lead to `backends`, the rest to one address each that
 * is never dialled.
 */
export function benchServices(n: number, backends: readonly string[]): BenchService[] {
  const step = n / targetsN
  const targets = new Set(Array.from({ length: targetsN }, (_, j) => Math.floor((j + 0.5) * step)))
  return Array.from({ length: n }, (_, i) => ({
    name: `s${i}`,
    vip: vipOf(i),
    endpoints: targets.has(i) ? backends : [fillerOf(i)],
  }))
}

/** address:port of the 16 Services that lead somewhere. */
export function targetsOf(
  services: readonly BenchService[],
  backends: readonly string[],
): string[] {
  return services
    .filter(({ endpoints }) => endpoints === backends)
    .map(({ vip }) => `${vip}:${frontendPort}`)
}

function manifestOf({ name, vip, endpoints }: BenchService): string {
  return `apiVersion: v1
kind: Service
metadata: { name: ${name}, namespace: bench }
spec:
  clusterIP: ${vip}
  clusterIPs: [${vip}]
  ports: [{ name: http, port: ${frontendPort}, protocol: TCP }]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: ${name}-a
  namespace: bench
  labels: { kubernetes.io/service-name: ${name} }
addressType: IPv4
ports: [{ name: http, port: ${backendPort}, protocol: TCP }]
endpoints:
${endpoints.map((address) => `  - { addresses: [${address}], conditions: { ready: true } }\n`).join('')}`
}

/** Files of 100 Services with their slices each. */
export function writeManifests(directory: string, services: readonly BenchService[]): void {
  mkdirSync(directory, { recursive: true })
  for (let i = 0; i < services.length; i += 100) {
    const documents = services.slice(i, i + 100).map(manifestOf)
    writeFileSync(join(directory, `${String(i).padStart(6, '0')}.yaml`), documents.join('---\n'))
  }
}

function chainsOf({ vip, endpoints }: BenchService, id: number): string {
  const parts = endpoints.map(
    (address, i) => ` chain endpoint-${id}-${i} {
  ip saddr ${address} jump mark-for-masquerade
  meta l4proto tcp dnat to ${address}:${backendPort}
 }
`,
  )
  const choices = endpoints.map((_, i) => `${i} : goto endpoint-${id}-${i}`).join(', ')
  return `${parts.join('')} chain service-${id} {
  ip daddr ${vip} tcp dport ${frontendPort} ip saddr != 10.200.0.0/16 jump mark-for-masquerade
  numgen random mod ${endpoints.length} vmap { ${choices} }
 }
`
}

/**
 * A rule set of the shape that kube-proxy's nftables mode writes: a verdict map over address,
 * protocol and port, a chain per Service and endpoint, mark and masquerade. Input of `nft -f`.
 */
export function nftRules(services: readonly BenchService[]): string {
  const elements = services.map(
    ({ vip }, id) => `${vip} . tcp . ${frontendPort} : goto service-${id}`,
  )
  return `table ip kube-proxy {
 chain mark-for-masquerade {
  meta mark set meta mark or 0x4000
 }
 chain masquerading {
  meta mark & 0x4000 == 0 return
  meta mark set meta mark xor 0x4000
  masquerade fully-random
 }
${services.map(chainsOf).join('')} map service-ips {
  type ipv4_addr . inet_proto . inet_service : verdict
  elements = { ${elements.join(',\n   ')} }
 }
 set cluster-ips {
  type ipv4_addr
  elements = { ${services.map(({ vip }) => vip).join(', ')} }
 }
 chain services {
  ip daddr . meta l4proto . th dport vmap @service-ips
 }
 chain cluster-ips-check {
  ip daddr @cluster-ips reject
 }
 chain filter-forward {
  type filter hook forward priority -110
  ct state new jump cluster-ips-check
 }
 chain filter-output {
  type filter hook output priority -90
  ct state new jump cluster-ips-check
 }
 chain nat-prerouting {
  type nat hook prerouting priority -100
  jump services
 }
 chain nat-output {
  type nat hook output priority -100
  jump services
 }
 chain nat-postrouting {
  type nat hook postrouting priority 100
  jump masquerading
 }
}
`
}
