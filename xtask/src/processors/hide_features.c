// Loaded before all others into the processes of `cargo xtask test --processors` (LD_PRELOAD): lets Rust's standard
// library believe that the processor has fewer instructions than it has, so that our own code, faer's and the decoders'
// take the paths of an older processor.
//
// The library keeps what it found in a static, `std_detect::detect::cache::CACHE`: words of 63 features each, the highest
// bit saying that the word is set. This code finds it by name in the executable's table of symbols and sets it first.
// Executables without it (a shell, Python) stay as they are.

#define _GNU_SOURCE
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define SET (UINT64_C(1) << 63)

// Places of avx512f up to avx512fp16 in the first word, by the toolchain that rust-toolchain.toml names; the run asks a
// process whether it worked.
static const unsigned FIRST_AVX512 = 19, LAST_AVX512 = 37;

static int base_of_executable(struct dl_phdr_info *info, size_t size, void *base) {
    (void)size;
    *(uintptr_t *)base = info->dlpi_addr;
    return 1;  // the first one is the executable
}

static void hide(uint64_t *words, size_t count, void (*detect)(uint64_t *), const char *what) {
    if (strcmp(what, "all") == 0) {
        for (size_t k = 0; k < count; ++k) words[k] = SET;
        return;
    }
    // Room for its result, wherever the compiler puts that.
    uint64_t result[8] = {0};
    detect(result);
    for (unsigned place = FIRST_AVX512; place <= LAST_AVX512; ++place) words[0] &= ~(UINT64_C(1) << place);
}

__attribute__((constructor)) static void hide_features(void) {
    const char *what = getenv("PGKIT_HIDDEN_FEATURES");
    if (what == NULL || (strcmp(what, "all") != 0 && strcmp(what, "avx512") != 0)) return;
    const int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    struct stat status;
    if (file < 0 || fstat(file, &status) != 0) return;
    const size_t size = (size_t)status.st_size;
    const char *image = mmap(NULL, size, PROT_READ, MAP_PRIVATE, file, 0);
    close(file);
    if (image == MAP_FAILED) return;
    const Elf64_Ehdr *header = (const Elf64_Ehdr *)image;
    uintptr_t base = 0;
    dl_iterate_phdr(base_of_executable, &base);
    uint64_t *words = NULL;
    size_t count = 0;
    void (*detect)(uint64_t *) = NULL;
    const int is_elf = size > sizeof *header && memcmp(header->e_ident, ELFMAG, SELFMAG) == 0;
    for (int s = 0; is_elf && header->e_shoff != 0 && s < header->e_shnum; ++s) {
        const Elf64_Shdr *section = (const Elf64_Shdr *)(image + header->e_shoff) + s;
        if (section->sh_type != SHT_SYMTAB) continue;
        const char *names = image + ((const Elf64_Shdr *)(image + header->e_shoff) + section->sh_link)->sh_offset;
        const Elf64_Sym *symbols = (const Elf64_Sym *)(image + section->sh_offset);
        for (size_t k = 0; k < section->sh_size / sizeof *symbols; ++k) {
            const char *name = names + symbols[k].st_name;
            if (strstr(name, "10std_detect6detect5cache") == NULL) continue;
            const uintptr_t address = base + symbols[k].st_value;
            if (strstr(name, "5CACHE") != NULL) {
                words = (uint64_t *)address;
                count = symbols[k].st_size / sizeof *words;
            } else if (strstr(name, "detect_and_initialize") != NULL) {
                memcpy(&detect, &address, sizeof detect);
            }
        }
    }
    munmap((void *)image, size);
    if (words == NULL || count == 0 || (detect == NULL && strcmp(what, "all") != 0)) return;
    hide(words, count, detect, what);
}
