#include "elf.h"

#include <cstring>
#include <elf.h>

namespace fl
{

std::string whyNotBpf(Bytes elf)
{
	Elf64_Ehdr head;
	if (elf.size() < sizeof(head)) {
		return "it is only " + std::to_string(elf.size()) + " bytes";
	}
	memcpy(&head, elf.data(), sizeof(head));
	if (memcmp(head.e_ident, ELFMAG, SELFMAG) != 0) {
		return "it is no ELF file";
	}
	if (head.e_ident[EI_CLASS] != ELFCLASS64 || head.e_ident[EI_DATA] != ELFDATA2LSB) {
		return "it is not 64-bit little-endian";
	}
	if (head.e_machine != EM_BPF || head.e_type != ET_REL) {
		return "it is no BPF object (machine " + std::to_string(head.e_machine) + ")";
	}
	const uint64_t table = uint64_t{head.e_shnum} * sizeof(Elf64_Shdr);
	if (head.e_shentsize != sizeof(Elf64_Shdr) || head.e_shnum == 0 ||
	    head.e_shstrndx >= head.e_shnum || head.e_shoff > elf.size() ||
	    table > elf.size() - head.e_shoff) {
		return "its section table is cut off";
	}
	for (uint16_t i = 0; i < head.e_shnum; i++) {
		Elf64_Shdr section;
		memcpy(&section, elf.data() + head.e_shoff + i * sizeof(section), sizeof(section));
		const bool hasBytes = section.sh_type != SHT_NOBITS && section.sh_type != SHT_NULL;
		if (hasBytes && (section.sh_offset > elf.size() ||
				 section.sh_size > elf.size() - section.sh_offset)) {
			return "its section " + std::to_string(i) + " is cut off";
		}
		// Symbol tables and relocations are arrays of what libbpf reads by index.
		const bool isTable = section.sh_type == SHT_SYMTAB || section.sh_type == SHT_REL;
		if (isTable && (section.sh_entsize == 0 || section.sh_size % section.sh_entsize ||
				section.sh_link >= head.e_shnum)) {
			return "its section " + std::to_string(i) + " is malformed";
		}
	}
	return "";
}

} // namespace fl
