# Installs ironclaw for the user who runs it, on Windows (x64): downloads the newest release, verifies who signed it and that it came
# whole, and puts one file in place. Written for PowerShell 5.1 and newer. UNTESTED: no Windows machine has run it yet.
#
#   powershell -ExecutionPolicy Bypass -File install.ps1 [-Prefix DIR] [-Version X.Y.Z] [-Url URL]
#   powershell -ExecutionPolicy Bypass -File install.ps1 -Uninstall [-Prefix DIR]
#
# The signature is verified by ssh-keygen, which Windows 10 and newer bring along (optional feature "OpenSSH Client").
# Everything is in functions and the last line calls them: a download that was cut short runs nothing.
param(
    [string]$Prefix = (Join-Path $env:LOCALAPPDATA 'Programs\ironclaw'),
    [string]$Version = '',
    [string]$Url = $env:IRONCLAW_RELEASE_URL,
    [switch]$Uninstall
)
Set-StrictMode -Version 2
$ErrorActionPreference = 'Stop'
$ProgressPreference = 'SilentlyContinue' # drawing it makes Invoke-WebRequest many times slower

# Written by `scripts/release.ts --pin`: where releases are, and a line for each key: its id, its 32 bytes, and OpenSSH's form of it.
# pinned: begin
$pinned_url = ''
$pinned_keys = ''
# pinned: end

$target = 'windows-x64'
$namespace = 'ironclaw-release'

function Stop-Install([string]$What, [string]$Hint = '') {
    # Thrown, not exit: in a shell that this was piped into, exit would close the window.
    throw ("Error: $What`n$Hint").Trim()
}

function Get-Bytes([string]$From, [string]$To) {
    try {
        Invoke-WebRequest -UseBasicParsing -Uri $From -OutFile $To -TimeoutSec 600
    } catch {
        Stop-Install "$From could not be downloaded: $($_.Exception.Message)" 'Look at the network, and whether the address is right.'
    }
}

# Whether a pinned key signed these bytes: tries each with OpenSSH's own tool.
function Test-Signature($Envelope, [string]$Manifest, [string]$Work) {
    foreach ($row in ($pinned_keys -split "`n")) {
        $parts = $row.Trim() -split ' '
        if ($parts.Count -ne 3) { continue }
        $signature = $Envelope.signatures | Where-Object { $_.key -eq $parts[0] } | Select-Object -First 1
        if ($null -eq $signature) { continue }
        if ($signature.sshsig -notmatch '^[A-Za-z0-9+/=]+$') { continue }
        $armoured = "-----BEGIN SSH SIGNATURE-----`n$($signature.sshsig)`n-----END SSH SIGNATURE-----`n"
        [IO.File]::WriteAllText((Join-Path $Work 'signature'), $armoured)
        [IO.File]::WriteAllText((Join-Path $Work 'key'), "release namespaces=`"$namespace`" ssh-ed25519 $($parts[2])`n")
        # cmd, because PowerShell's own pipes change bytes.
        $line = 'ssh-keygen -Y verify -f "{0}\key" -I release -n {1} -s "{0}\signature" < "{2}" > NUL 2>&1' -f $Work, $namespace, $Manifest
        & cmd.exe /d /s /c "`"$line`""
        if ($LASTEXITCODE -eq 0) { return $true }
    }
    return $false
}

function Expand-Gzip([string]$From, [string]$To) {
    $source = [IO.File]::OpenRead($From)
    $sink = [IO.File]::Create($To)
    try {
        $gzip = New-Object IO.Compression.GZipStream($source, [IO.Compression.CompressionMode]::Decompress)
        $gzip.CopyTo($sink)
        $gzip.Dispose()
    } finally {
        $sink.Dispose()
        $source.Dispose()
    }
}

function Install-Ironclaw([string]$Bin, [string]$Dest) {
    if ($pinned_keys -eq '') { Stop-Install 'This copy of the script knows no key by which a release could be verified' 'Use the copy that comes with a release.' }
    if (-not [Environment]::Is64BitOperatingSystem) { Stop-Install 'This system is a 32-bit one' 'It runs on 64-bit systems.' }
    if (-not (Get-Command ssh-keygen -ErrorAction SilentlyContinue)) {
        Stop-Install 'This machine has no ssh-keygen, which verifies the signature; unverified nothing is installed' 'Settings > Optional features > OpenSSH Client.'
    }
    $from = if ($Url) { $Url.TrimEnd('/') } else { $pinned_url.TrimEnd('/') }
    if ($from -eq '') { Stop-Install 'No release address is known' 'Name it with -Url, or in IRONCLAW_RELEASE_URL.' }
    if ($from -notmatch '^https://[^@\s\\]+$' -and $from -notmatch '^http://(127\.0\.0\.1|localhost)(:\d+)?(/[^@\s\\]*)?$') {
        Stop-Install "The release address $from is not https"
    }
    [Net.ServicePointManager]::SecurityProtocol = [Net.ServicePointManager]::SecurityProtocol -bor [Net.SecurityProtocolType]::Tls12
    New-Item -ItemType Directory -Force -Path $Bin | Out-Null
    $work = Join-Path $Bin ('.ironclaw-install.' + [Guid]::NewGuid().ToString('n'))
    New-Item -ItemType Directory -Path $work | Out-Null
    try {
        Get-Bytes "$from/release.json" (Join-Path $work 'release.json')
        try { $envelope = [IO.File]::ReadAllText((Join-Path $work 'release.json')) | ConvertFrom-Json } catch { Stop-Install "What $from sent is no release" }
        $manifest = Join-Path $work 'manifest'
        [IO.File]::WriteAllBytes($manifest, [Convert]::FromBase64String($envelope.signed))
        if (-not (Test-Signature $envelope $manifest $work)) {
            Stop-Install "The release at $from is not signed by a key that this script knows" 'Nothing was installed.'
        }
        $release = [IO.File]::ReadAllText($manifest) | ConvertFrom-Json
        # Newer PowerShells make dates of texts that look like them.
        $expires = if ($release.expires -is [DateTime]) { $release.expires.ToUniversalTime() } else { [DateTime]::Parse($release.expires, [Globalization.CultureInfo]::InvariantCulture, [Globalization.DateTimeStyles]::AdjustToUniversal) }
        if ($expires -le [DateTime]::UtcNow) { Stop-Install "What $from says of its newest release held until $($release.expires)" "Check this machine's clock." }
        if ($Version -and $Version -ne $release.version) { Stop-Install "The newest release is $($release.version), not $Version" }
        if (Test-Path $Dest) {
            $said = (& $Dest --version) -join ' '
            if ($said -match 'release (\d+)' -and [int]$Matches[1] -gt $release.number) {
                Stop-Install "Release $($Matches[1]) is installed, and $from shows release $($release.number), which is older"
            }
        }
        $file = $release.files | Where-Object { $_.target -eq $target } | Select-Object -First 1
        if ($null -eq $file) { Stop-Install "Release $($release.version) has no program for $target" }
        Write-Host "Downloading ironclaw $($release.version) ($([Math]::Floor($file.bytes / 1000000)) MB)"
        $packed = Join-Path $work 'packed'
        Get-Bytes "$from/$($release.version)/$($file.name)" $packed
        if ((Get-FileHash -Algorithm SHA256 $packed).Hash.ToLowerInvariant() -ne $file.sha256) {
            Stop-Install "$($file.name) is not what was signed, and was thrown away" 'Try again.'
        }
        $fresh = Join-Path $work 'ironclaw.exe'
        Expand-Gzip $packed $fresh
        $answer = (& $fresh --version) -join ' '
        if (-not $answer.StartsWith("ironclaw $($release.version) ")) { Stop-Install "The program does not start here: $answer" }
        # A running program's file may be renamed, not replaced.
        $kept = Join-Path $Bin '.ironclaw.previous.exe'
        if (Test-Path $Dest) { Move-Item -Force $Dest $kept }
        try {
            Move-Item $fresh $Dest
        } catch {
            if (Test-Path $kept) { Move-Item $kept $Dest }
            throw
        }
        Write-Host "$Dest is ironclaw $($release.version)"
        if (($env:Path -split ';') -notcontains $Bin) {
            Write-Host 'It is not on your PATH yet. To put it there for you alone:'
            Write-Host "  [Environment]::SetEnvironmentVariable('Path', `"`$([Environment]::GetEnvironmentVariable('Path', 'User'));$Bin`", 'User')"
        }
    } finally {
        Remove-Item -Recurse -Force $work -ErrorAction SilentlyContinue
    }
}

function Uninstall-Ironclaw([string]$Bin, [string]$Dest) {
    if (Test-Path $Dest) {
        Remove-Item -Force $Dest
        Write-Host "Removed $Dest"
    } else {
        Write-Host "There is no ironclaw in $Bin"
    }
    Remove-Item -Force (Join-Path $Bin '.ironclaw.previous.exe') -ErrorAction SilentlyContinue
    # Not $home, which PowerShell keeps for itself.
    $kept = if ($env:IRONCLAW_HOME) { $env:IRONCLAW_HOME } else { Join-Path $env:USERPROFILE '.ironclaw' }
    if (Test-Path $kept) { Write-Host "What stays is yours: $kept with your conversations, memory, secrets and backups." }
}

function Main {
    $bin = Join-Path $Prefix 'bin'
    $dest = Join-Path $bin 'ironclaw.exe'
    if ($Uninstall) { Uninstall-Ironclaw $bin $dest } else { Install-Ironclaw $bin $dest }
}

Main
