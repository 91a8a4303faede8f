import Foundation
import SwageTensor
import Testing

@Suite struct FileTests {
  @Test func mapsFiles() throws {
    let folder = try TemporaryFolder()
    let file = try MappedFile(path: folder.file("a", [1, 2, 3, 4]))
    #expect(file.byteCount == 4)
    #expect(file.withBytes { Array($0) } == [1, 2, 3, 4])
    #expect(file.tensor(.u16, [1], at: 1)?.integers == [0x0302])
    #expect(file.tensor(.u16, [2], at: 1) == nil)
    #expect(file.tensor(.u8, [Int.max], at: 1) == nil)
    #expect(file.tensor(.u8, [1], at: -1) == nil)
    #expect(try MappedFile(path: folder.file("empty", [])).byteCount == 0)
  }

  /// Memory of a mapped file can be given back, unless someone wrote there: the file has other bytes.
  @Test func givesMemoryBack() throws {
    let folder = try TemporaryFolder()
    let path = try folder.file("a", [UInt8](repeating: 5, count: 100_000))
    let read = try MappedFile(path: path).tensor(.u8, [50_000], at: 10_000)
    let tensor = try #require(read)
    #expect(tensor.integers.allSatisfy { $0 == 5 })
    tensor.releaseMemory()
    #expect(tensor.integers.allSatisfy { $0 == 5 })

    var written = try #require(try MappedFile(path: path).tensor(.u8, [100_000], at: 0))
    written.withMutableBytes { $0[70_000] = 6 }
    written.releaseMemory()
    #expect(written.integers[70_000] == 6)
    #expect(try MappedFile(path: path).withBytes { $0[70_000] } == 5)
  }

  @Test func refusesWhatIsNoFile() throws {
    let folder = try TemporaryFolder()
    mkfifo(folder.path + "/pipe", 0o600)
    #expect(code { _ = try MappedFile(path: folder.path + "/gone") } == "file-missing")
    #expect(code { _ = try MappedFile(path: folder.path) } == "file-not-regular")
    #expect(code { _ = try MappedFile(path: folder.path + "/pipe") } == "file-not-regular")
    #expect(code { _ = try MappedFile(path: "/dev/zero") } == "file-not-regular")
    #expect(code { _ = try MappedFile(path: "") } == "file-path")
    #expect(code { _ = try MappedFile(path: "a\0b") } == "file-path")
  }

  @Test func noticesChanges() throws {
    let folder = try TemporaryFolder()
    let path = try folder.file("a", [1, 2, 3, 4])
    let file = try MappedFile(path: path)
    try file.checkUnchanged()
    truncate(path, 2)
    #expect(code { try file.checkUnchanged() } == "file-changed")
  }

  @Test func atomicFilesAppearWholeOrNotAtAll() throws {
    let folder = try TemporaryFolder()
    let path = try folder.file("out", [9])
    do {
      let file = try AtomicFile(path: path)
      try file.write([1, 2, 3])
      #expect(folder.names.count == 2)
      #expect(try MappedFile(path: path).byteCount == 1)
    }
    #expect(folder.names == ["out"])
    let file = try AtomicFile(path: path)
    try file.write([1, 2, 3])
    try [UInt8]([7]).withUnsafeBytes { try file.write($0, at: 1) }
    try file.write([4])
    try file.commit()
    #expect(folder.names == ["out"])
    #expect(try MappedFile(path: path).withBytes { Array($0) } == [1, 7, 3, 4])
    #expect(code { try file.write([1]) } == "file-write")
  }

  /// In a process of its own, since it removes the files of all tests.
  @Test func unfinishedFilesAreRemoved() async {
    await #expect(processExitsWith: .success) {
      let folder = try TemporaryFolder()
      let file = try AtomicFile(path: folder.path + "/" + String(repeating: "n", count: 255))
      try file.write([1])
      try #require(folder.names.count == 1)
      AtomicFile.removeUnfinished()
      try #require(folder.names.isEmpty)
    }
  }

  @Test func refusesDestinations() throws {
    let folder = try TemporaryFolder()
    #expect(code { _ = try AtomicFile(path: folder.path) } == "file-not-regular")
    #expect(code { _ = try AtomicFile(path: "/dev/null") } == "file-not-regular")
    #expect(code { _ = try AtomicFile(path: folder.path + "/gone/out") } == "file-write")
    #expect(code { _ = try AtomicFile(path: "") } == "file-path")
    #expect(code { _ = try AtomicFile(path: folder.path + "/") } == "file-path")
  }

  /// FIPS 180-4 examples.
  @Test(arguments: [
    ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
    ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
    (
      "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
      "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
    ),
  ])
  func sha256(text: String, expected: String) throws {
    #expect(Array(text.utf8).withUnsafeBytes { SHA256.hexDigest(of: $0) } == expected)
    var hash = SHA256()
    for byte in text.utf8 { [byte].withUnsafeBytes { hash.update($0) } }
    #expect(hash.hexDigest() == expected)
    let folder = try TemporaryFolder()
    #expect(try SHA256.hexDigest(ofFile: folder.file("a", Array(text.utf8))) == expected)
  }
}
