package decide

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"os"
	"strings"
	"unsafe"

	"golang.org/x/sys/windows"

	"tyto/sandboxlink/decide/authenticode"
)

// Windows itself is asked about signatures, because only it knows which catalogs and roots are in force. It reads the
// file in this process, as it does in each program that starts another; a worker may not ask it. No network is used, so
// revocations are known only as far as Windows has them already.

var (
	wintrust                  = windows.NewLazySystemDLL("wintrust.dll")
	provDataFromStateData     = wintrust.NewProc("WTHelperProvDataFromStateData")
	getProvSignerFromChain    = wintrust.NewProc("WTHelperGetProvSignerFromChain")
	getProvCertFromChain      = wintrust.NewProc("WTHelperGetProvCertFromChain")
	acquireContext2           = wintrust.NewProc("CryptCATAdminAcquireContext2")
	releaseContext            = wintrust.NewProc("CryptCATAdminReleaseContext")
	calcHashFromFileHandle2   = wintrust.NewProc("CryptCATAdminCalcHashFromFileHandle2")
	enumCatalogFromHash       = wintrust.NewProc("CryptCATAdminEnumCatalogFromHash")
	catalogInfoFromContext    = wintrust.NewProc("CryptCATCatalogInfoFromContext")
	releaseCatalogFromContext = wintrust.NewProc("CryptCATAdminReleaseCatalogContext")
)

// Errors of WinVerifyTrust (winerror.h).
const (
	noSignature     = windows.Errno(0x800B0100)
	unknownProvider = windows.Errno(0x800B0001)
	unknownSubject  = windows.Errno(0x800B0003)
	badDigest       = windows.Errno(0x80096010)
)

// systemSignature verifies the signature of a program, its own or that of a catalog. It returns nil if Windows knows
// none, or cannot say.
func systemSignature(f *os.File, path string) *authenticode.Signature {
	name, err := windows.UTF16PtrFromString(path)
	if err != nil || path == "" || provDataFromStateData.Find() != nil {
		return nil
	}
	file := &windows.WinTrustFileInfo{FilePath: name, File: windows.Handle(f.Fd())}
	file.Size = uint32(unsafe.Sizeof(*file))
	s := verifyTrust(windows.WTD_CHOICE_FILE, unsafe.Pointer(file))
	if s != nil {
		return s
	}
	return catalogSignature(f, name)
}

// verifyTrust asks WinVerifyTrust and takes the signer from its state.
func verifyTrust(choice uint32, subject unsafe.Pointer) *authenticode.Signature {
	data := &windows.WinTrustData{
		UIChoice: windows.WTD_UI_NONE, RevocationChecks: windows.WTD_REVOKE_NONE, UnionChoice: choice,
		FileOrCatalogOrBlobOrSgnrOrCert: subject, StateAction: windows.WTD_STATEACTION_VERIFY,
		ProvFlags: windows.WTD_CACHE_ONLY_URL_RETRIEVAL | windows.WTD_REVOCATION_CHECK_NONE | windows.WTD_DISABLE_MD2_MD4,
	}
	data.Size = uint32(unsafe.Sizeof(*data))
	err := windows.WinVerifyTrustEx(windows.InvalidHWND, &windows.WINTRUST_ACTION_GENERIC_VERIFY_V2, data)
	defer func() {
		data.StateAction = windows.WTD_STATEACTION_CLOSE
		_ = windows.WinVerifyTrustEx(windows.InvalidHWND, &windows.WINTRUST_ACTION_GENERIC_VERIFY_V2, data)
	}()
	switch {
	case errors.Is(err, noSignature), errors.Is(err, unknownProvider), errors.Is(err, unknownSubject):
		return nil
	case errors.Is(err, badDigest):
		return &authenticode.Signature{State: authenticode.Tampered, Detail: "the program is not the one that was signed"}
	case err != nil:
		return &authenticode.Signature{State: authenticode.Untrusted, Detail: err.Error()}
	}
	s := &authenticode.Signature{State: authenticode.Valid}
	readSigner(data.StateData, s)
	return s
}

// longestChain is more certificates than any chain has.
const longestChain = 10

// readSigner takes the chain that Windows verified. Nothing stays unknown to whoever compares names if it cannot.
func readSigner(state windows.Handle, s *authenticode.Signature) {
	provider, _, _ := provDataFromStateData.Call(uintptr(state))
	if provider == 0 {
		return
	}
	signer, _, _ := getProvSignerFromChain.Call(provider, 0, 0, 0)
	if signer == 0 {
		return
	}
	for i := range uintptr(longestChain) {
		entry, _, _ := getProvCertFromChain.Call(signer, i)
		if entry == 0 {
			return
		}
		// CRYPT_PROVIDER_CERT begins with its size and the certificate.
		held := *(**struct {
			size uint32
			cert *windows.CertContext
		})(unsafe.Pointer(&entry))
		if held.cert == nil {
			return
		}
		cert, err := x509.ParseCertificate(unsafe.Slice(held.cert.EncodedCert, held.cert.Length))
		if err != nil {
			return
		}
		if i == 0 {
			s.Name, s.Organization = cert.Subject.CommonName, strings.Join(cert.Subject.Organization, ", ")
		}
		sum := sha256.Sum256(cert.Raw)
		s.Chain = append(s.Chain, hex.EncodeToString(sum[:]))
	}
}

// catalogInfo is WINTRUST_CATALOG_INFO.
type catalogInfo struct {
	size       uint32
	version    uint32
	catalog    *uint16
	tag        *uint16
	memberPath *uint16
	member     windows.Handle
	hash       *byte
	hashSize   uint32
	context    uintptr
	admin      uintptr
}

// catalogSignature looks for a catalog that names the program's digest, as most files of Windows have one.
func catalogSignature(f *os.File, path *uint16) *authenticode.Signature {
	if acquireContext2.Find() != nil || calcHashFromFileHandle2.Find() != nil {
		return nil // before Windows 8
	}
	algorithm, err := windows.UTF16PtrFromString("SHA256")
	if err != nil {
		return nil
	}
	var admin uintptr
	if ok, _, _ := acquireContext2.Call(uintptr(unsafe.Pointer(&admin)), 0, uintptr(unsafe.Pointer(algorithm)), 0, 0); ok == 0 {
		return nil
	}
	defer func() { _, _, _ = releaseContext.Call(admin, 0) }()
	var sum [64]byte
	size := uint32(len(sum))
	if ok, _, _ := calcHashFromFileHandle2.Call(admin, f.Fd(), uintptr(unsafe.Pointer(&size)), uintptr(unsafe.Pointer(&sum[0])), 0); ok == 0 || size > uint32(len(sum)) {
		return nil
	}
	found, _, _ := enumCatalogFromHash.Call(admin, uintptr(unsafe.Pointer(&sum[0])), uintptr(size), 0, 0)
	if found == 0 {
		return nil
	}
	defer func() { _, _, _ = releaseCatalogFromContext.Call(admin, found, 0) }()
	var catalog struct {
		size uint32
		file [windows.MAX_PATH]uint16
	}
	catalog.size = uint32(unsafe.Sizeof(catalog))
	if ok, _, _ := catalogInfoFromContext.Call(found, uintptr(unsafe.Pointer(&catalog)), 0); ok == 0 {
		return nil
	}
	tag, err := windows.UTF16PtrFromString(strings.ToUpper(hex.EncodeToString(sum[:size])))
	if err != nil {
		return nil
	}
	info := &catalogInfo{
		catalog: &catalog.file[0], tag: tag, memberPath: path, member: windows.Handle(f.Fd()), hash: &sum[0], hashSize: size, admin: admin,
	}
	info.size = uint32(unsafe.Sizeof(*info))
	return verifyTrust(windows.WTD_CHOICE_CATALOG, unsafe.Pointer(info))
}
