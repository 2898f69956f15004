/**
 * From an object as the API server or a manifest wrote it to the few fields we keep. Nothing here
 * throws, whatever the shape; the rules are kube-proxy-behaviour section 1.1.
 */
import { parseAddress } from '../model/address.ts'
import type { Address } from '../model/address.ts'
import type { ConfigMap, ModelObject, Node, ObjectRef, Problem } from '../model/objects.ts'
import type { Kind } from '../model/source.ts'
import { specialUse } from '../model/validate.ts'
import { Findings, show } from './findings.ts'
import type { Fields } from './findings.ts'
import type { RawObject } from './raw.ts'
import { projectService } from './service.ts'
import { projectSlice } from './slice.ts'

export interface Projected {
  readonly ref: ObjectRef
  /**
   * Undefined if nothing of it can be used: then what a source put before under this name must be
   * removed. An EndpointSlice of names (FQDN) is undefined without a problem (O4).
   */
  readonly object: ModelObject | undefined
  readonly problems: readonly Problem[]
}

const kinds: ReadonlySet<unknown> = new Set<Kind>([
  'Service',
  'EndpointSlice',
  'Node',
  'Namespace',
  'ConfigMap',
])

/** DNS subdomain as Kubernetes demands of names; keeps `/` out of keys and newlines out of logs. */
const objectName = /^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/

export function isKind(text: unknown): text is Kind {
  return kinds.has(text)
}

export function isNamespaced(kind: Kind): boolean {
  return kind !== 'Node' && kind !== 'Namespace'
}

function nodeAddresses(status: Fields, findings: Findings): Address[] {
  const byType: Record<string, Address[]> = { InternalIP: [], ExternalIP: [] }
  findings.items(status['addresses'], 'status.addresses').forEach((item, i) => {
    const field = `status.addresses[${i}].address`
    const { type, address: text } = findings.fields(item, `status.addresses[${i}]`)
    const list = typeof type === 'string' && Object.hasOwn(byType, type) ? byType[type] : undefined
    if (list === undefined) return
    const address = typeof text === 'string' ? parseAddress(text) : undefined
    if (address === undefined) {
      findings.add('BadAddress', `${field} is ${show(text)}, no IP address`, `correct ${field}`)
      return
    }
    const special = specialUse(address)
    if (special === undefined) list.push(address)
    else
      findings.add('ForbiddenAddress', `${field} ${show(text)} is ${special}`, `correct ${field}`)
  })
  return [...(byType['InternalIP'] ?? []), ...(byType['ExternalIP'] ?? [])]
}

function projectNode(ref: ObjectRef, fields: Fields, labels: Fields, findings: Findings): Node {
  const spec = findings.fields(fields['spec'], 'spec')
  const metadata = findings.fields(fields['metadata'], 'metadata')
  const texts = (value: unknown, field: string): string[] =>
    findings.items(value, field).map((item, i) => findings.text(item, `${field}[${i}]`))
  const listed = texts(spec['podCIDRs'], 'spec.podCIDRs')
  const single = findings.text(spec['podCIDR'], 'spec.podCIDR')
  return {
    ref,
    zone: findings.text(labels['topology.kubernetes.io/zone'], 'label topology.kubernetes.io/zone'),
    addresses: nodeAddresses(findings.fields(fields['status'], 'status'), findings),
    podCidrs: listed.length > 0 || single === '' ? listed : [single],
    isDeleting: (metadata['deletionTimestamp'] ?? undefined) !== undefined,
    taintKeys: findings
      .items(spec['taints'], 'spec.taints')
      .map((item, i) => findings.text(findings.fields(item, `spec.taints[${i}]`)['key'], 'key')),
  }
}

function projectConfigMap(ref: ObjectRef, fields: Fields, findings: Findings): ConfigMap {
  const data: Record<string, string> = Object.create(null) as Record<string, string>
  for (const [key, value] of Object.entries(findings.fields(fields['data'], 'data'))) {
    data[key] = findings.text(value, `data.${key.slice(0, 60)}`)
  }
  return { ref, data }
}

function projectKind(
  ref: ObjectRef,
  fields: Fields,
  metadata: Fields,
  findings: Findings,
): ModelObject | undefined {
  const labels = findings.fields(metadata['labels'], 'metadata.labels')
  switch (ref.kind) {
    case 'Service':
      return projectService(ref, fields, metadata, labels, findings)
    case 'EndpointSlice':
      return projectSlice(ref, fields, labels, findings)
    case 'Node':
      return projectNode(ref, fields, labels, findings)
    case 'Namespace':
      return { ref }
    case 'ConfigMap':
      return projectConfigMap(ref, fields, findings)
    case 'File':
      return undefined
  }
}

/**
 * @param where `file:line` for manifests, '' for the API server.
 * @param kind of a JSON list's items, which don't carry their own; else `raw.kind`.
 */
export function project(raw: RawObject, where: string, kind?: Kind): Projected {
  const isObject = typeof raw === 'object' && raw !== null && !Array.isArray(raw)
  const fields: Fields = isObject ? (raw as Fields) : {}
  const given = kind ?? fields['kind']
  const found = fields['metadata']
  const metadata: Fields =
    typeof found === 'object' && found !== null && !Array.isArray(found) ? (found as Fields) : {}
  const name = typeof metadata['name'] === 'string' ? metadata['name'] : ''
  const namespace = typeof metadata['namespace'] === 'string' ? metadata['namespace'] : ''
  const uid = typeof metadata['uid'] === 'string' ? metadata['uid'] : ''
  const isKnown = isKind(given)
  const isBelow = isKnown && isNamespaced(given)
  const ref: ObjectRef = {
    kind: isKnown ? given : 'File',
    namespace: isBelow ? namespace : '',
    name,
    uid,
    where,
  }
  const findings = new Findings(ref)
  if (!isKnown) {
    const remedy = `keep to ${[...kinds].join(', ')}`
    findings.add('UnknownKind', `kind ${show(given)} is not read here`, remedy)
  } else if (!objectName.test(name)) {
    findings.add('BadName', `metadata.name is ${show(metadata['name'])}`, 'give a DNS name')
  } else if (isBelow && !objectName.test(namespace)) {
    const message = `metadata.namespace is ${show(metadata['namespace'])}`
    findings.add('BadName', message, 'name the namespace')
  } else {
    const object = projectKind(ref, fields, metadata, findings)
    return { ref, object, problems: findings.problems() }
  }
  return { ref, object: undefined, problems: findings.problems() }
}
