/** Services, EndpointSlices and a Node that differ in every field that the agent reads. */

export interface VariedObject {
  readonly apiVersion: string
  readonly kind: 'Service' | 'EndpointSlice' | 'Node'
  readonly metadata: { readonly name: string; readonly [field: string]: unknown }
  /** Written through the status subresource. */
  readonly status?: unknown
  readonly [field: string]: unknown
}

/** Every n-th value of a list, over and over. */
function pick<T>(list: readonly T[], i: number): T {
  return list[i % list.length] as T
}

function servicePorts(i: number): object[] {
  const ports: object[] = [
    { name: 'main', port: 80 + i, protocol: pick(['TCP', 'UDP', 'SCTP'], i) },
  ]
  if (i % 3 === 0) ports.push({ name: 'dns', port: 53, protocol: 'UDP', targetPort: 'dns' })
  if (i % 4 === 0) ports.push({ name: 'web', port: 8443, appProtocol: 'https', targetPort: 9443 })
  return ports
}

function serviceSpec(i: number): Record<string, unknown> {
  const type = pick(['ClusterIP', 'NodePort', 'LoadBalancer', 'ClusterIP', 'ExternalName'], i)
  if (type === 'ExternalName') return { type, externalName: 'example.org' }
  const isExternal = type !== 'ClusterIP'
  return {
    type,
    ports: servicePorts(i),
    ...(i % 5 === 3 && i % 2 === 1 ? { clusterIP: 'None' } : {}),
    ...(i % 2 === 0 ? { selector: { app: `a${i}` } } : {}),
    ...(i % 3 === 1 ? { ipFamilyPolicy: 'PreferDualStack' } : {}),
    ...(i % 7 === 2 ? { ipFamilyPolicy: 'SingleStack', ipFamilies: ['IPv6'] } : {}),
    ...(i % 4 === 1 ? { sessionAffinity: 'ClientIP' } : {}),
    ...(i % 8 === 1 ? { sessionAffinityConfig: { clientIP: { timeoutSeconds: 60 + i } } } : {}),
    ...(i % 6 === 0 ? { internalTrafficPolicy: 'Local' } : {}),
    ...(isExternal && i % 2 === 1 ? { externalTrafficPolicy: 'Local' } : {}),
    ...(i % 9 === 1 ? { externalIPs: [`198.51.100.${i + 1}`, '2001:db8::1'] } : {}),
    ...(type === 'LoadBalancer'
      ? { loadBalancerSourceRanges: ['10.0.0.0/8', ' 192.0.2.0/24 '] }
      : {}),
  }
}

function service(i: number): VariedObject {
  const spec = serviceSpec(i)
  const ingress = [
    { ip: `203.0.113.${i + 1}`, ipMode: pick(['VIP', 'Proxy'], i >> 2) },
    { hostname: 'lb.example.org' },
  ]
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: {
      name: `varied-${i}`,
      labels: { app: `a${i}` },
      annotations: { note: 'ünïcödé '.repeat(i) },
    },
    spec,
    ...(spec['type'] === 'LoadBalancer' ? { status: { loadBalancer: { ingress } } } : {}),
  }
}

function endpoint(i: number, j: number, isV6: boolean): object {
  return {
    addresses: [isV6 ? `fd00:10::${i + 1}:${j + 1}` : `10.244.${i}.${j + 1}`],
    ...(j % 5 === 4
      ? {}
      : {
          conditions: {
            ...(j % 4 === 3 ? {} : { ready: j % 2 === 0 }),
            ...(j % 3 === 0 ? { serving: j % 2 === 0 } : {}),
            ...(j % 3 === 1 ? { terminating: j % 2 === 1 } : {}),
          },
        }),
    ...(j % 3 === 0 ? { nodeName: `node-${j % 4}` } : {}),
    ...(j % 2 === 0 ? { zone: `zone-${j % 3}` } : {}),
    ...(j % 6 === 1 ? { hostname: `host-${j}` } : {}),
    ...(j % 4 === 2 ? { hints: { forZones: [{ name: 'zone-a' }, { name: 'zone-b' }] } } : {}),
    ...(j % 8 === 5 ? { hints: { forNodes: [{ name: 'node-1' }] } } : {}),
    targetRef: { kind: 'Pod', namespace: 'default', name: `pod-${i}-${j}` },
  }
}

function slice(i: number): VariedObject {
  const addressType = pick(['IPv4', 'IPv6', 'IPv4', 'FQDN'], i % 16 === 7 ? 3 : i % 3)
  const endpoints =
    addressType === 'FQDN'
      ? [{ addresses: ['a.example.org'] }]
      : Array.from({ length: (i * 7) % 23 }, (_, j) => endpoint(i, j, addressType === 'IPv6'))
  const protocol = pick(['TCP', 'UDP', 'SCTP'], i)
  const ports = [
    { name: '', port: 80 + i, protocol },
    { name: 'dns', port: 53, protocol: 'UDP' },
    // Without a number: it stands for all ports, and does not count here.
    { name: 'all', protocol: 'TCP' },
  ].slice(0, i % 4)
  const labels: Record<string, string> = { other: 'x' }
  if (i % 11 !== 0) labels['kubernetes.io/service-name'] = `varied-${i}`
  if (i % 13 === 0) labels['service.kubernetes.io/headless'] = ''
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: `varied-${i}-x`, labels },
    addressType,
    endpoints,
    ports,
  }
}

function node(): VariedObject {
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name: 'node-1', labels: { 'topology.kubernetes.io/zone': 'zone-a' } },
    spec: {
      podCIDR: '10.244.1.0/24',
      podCIDRs: ['10.244.1.0/24', 'fd00:10:1::/64'],
      taints: [{ key: 'example.org/busy', value: 'yes', effect: 'NoSchedule' }],
    },
    status: {
      addresses: [
        { type: 'Hostname', address: 'node-1' },
        { type: 'ExternalIP', address: '203.0.113.200' },
        { type: 'InternalIP', address: '172.30.0.2' },
        { type: 'InternalIP', address: 'fd00:30::2' },
      ],
    },
  }
}

/** `count` Services, as many slices, and the Node `node-1`; valid by the API server's rules. */
export function variedObjects(count: number): readonly VariedObject[] {
  const each = Array.from({ length: count }, (_, i) => [service(i), slice(i)])
  return [...each.flat(), node()]
}
